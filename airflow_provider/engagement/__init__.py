"""Apache Airflow provider for Userflow, Usertour and Mirats Quanto."""

__version__ = "0.1.0.dev0"
