"""What travels over HTTP, as plain values, and the two clients that carry it. No Airflow in here."""
