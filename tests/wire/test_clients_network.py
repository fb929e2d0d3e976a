"""Both clients against a network that misbehaves: TLS, proxies, hosts that are not there, bytes that make no sense."""

from __future__ import annotations

import gzip
import ipaddress
import re
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_provider.engagement.userflow import api
from airflow_provider.engagement.wire.config import Patience
from airflow_provider.engagement.wire.errors import BadAnswer, Unauthorized, Unreachable
from airflow_provider.engagement.wire.message import Call
from tests.wire.conftest import KEY, Connect
from tests.wire.raw_server import OK, HangUp, RawServer, reply

UPSERT = api.UPSERT_USER.call(json={"id": "u1"})
EVENT = api.TRACK_EVENT.call(json={"name": "signed_up", "user_id": "u1"})
GET = api.GET_USER.call(user_id="u1")
ONCE = Patience(attempts=1)


def head(request: bytes) -> dict[str, str]:
    """The headers of a request, names in lower case."""
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


# --- what is sent ------------------------------------------------------------------------------------------------------


def test_a_request_carries_what_it_should(connect: Connect) -> None:
    with RawServer() as server:
        connect(server.base_url + "/prefix").send(UPSERT)
    (request,) = server.requests
    assert request.startswith(b"POST /prefix/users HTTP/1.1\r\n")
    assert request.endswith(b'\r\n\r\n{"id":"u1"}')
    headers = head(request)
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["userflow-version"] == "2020-01-03"
    assert headers["content-type"] == "application/json"
    assert headers["accept"] == "application/json"
    assert headers["content-length"] == "11"
    assert headers["user-agent"].startswith("airflow-provider-engagement/")


def test_a_request_without_body_has_no_content_type(connect: Connect) -> None:
    with RawServer() as server:
        connect(server.base_url).send(api.GET_USER.call({"expand": ["groups", "memberships"]}, user_id="a/b"))
    (request,) = server.requests
    assert request.startswith(b"GET /users/a%2Fb?expand%5B%5D=groups&expand%5B%5D=memberships HTTP/1.1\r\n")
    assert "content-type" not in head(request)


def test_one_connection_serves_many_calls(connect: Connect) -> None:
    with RawServer() as server:
        driver = connect(server.base_url)
        for _ in range(5):
            driver.send(UPSERT)
    assert server.connections == 1


def test_no_more_requests_are_under_way_than_allowed(connect: Connect) -> None:
    def slowly(_request: bytes, connection: socket.socket) -> None:
        time.sleep(0.02)
        connection.sendall(OK)

    with RawServer(slowly) as server:
        driver = connect(server.base_url, concurrency=8, requests_per_minute=1_000_000)
        driver.send_all([UPSERT] * 40)
    assert 2 <= server.most_at_once <= 8


def test_cookies_are_refused(connect: Connect) -> None:
    with RawServer(reply(OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: tracker=1; Path=/\r\n\r\n", 1))) as server:
        driver = connect(server.base_url)
        driver.send(UPSERT)
        driver.send(UPSERT)
    assert "cookie" not in head(server.requests[1])


def test_a_netrc_file_is_not_used(connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with RawServer() as server:
        connect(server.base_url).send(UPSERT)
    assert head(server.requests[0])["authorization"] == f"Bearer {KEY}"


# --- nobody there ------------------------------------------------------------------------------------------------------


def test_a_refused_port_is_not_in_doubt(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    driver = connect(f"http://127.0.0.1:{port}")
    with pytest.raises(Unreachable, match=f"no answer from 127.0.0.1:{port}") as caught:
        driver.send(EVENT)
    assert not caught.value.in_doubt
    assert driver.client.requests_sent == 3


def test_an_unknown_host_is_not_in_doubt(connect: Connect) -> None:
    with pytest.raises(Unreachable, match=r"no answer from nowhere\.invalid") as caught:
        connect("https://nowhere.invalid", patience=ONCE).send(EVENT)
    assert not caught.value.in_doubt


def test_a_message_repeats_no_query(connect: Connect) -> None:
    with pytest.raises(Unreachable) as caught:
        connect("http://127.0.0.1:9", patience=ONCE).send(api.LIST_USERS.call({"email": "annabelle@example.com"}))
    assert "annabelle" not in str(caught.value)


# --- connections that break --------------------------------------------------------------------------------------------


def test_an_event_on_a_kept_connection_that_breaks_is_sent_once(connect: Connect) -> None:
    def break_on_event(request: bytes, connection: socket.socket) -> None:
        if request.startswith(b"POST /events"):
            raise HangUp
        connection.sendall(OK)

    with RawServer(break_on_event) as server:
        driver = connect(server.base_url)
        driver.send(UPSERT)
        with pytest.raises(Unreachable, match="in doubt"):
            driver.send(EVENT)
    assert sum(request.startswith(b"POST /events") for request in server.requests) == 1


def test_an_event_on_a_connection_closed_meanwhile_gets_a_new_one(connect: Connect) -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)

    def close_after(_request: bytes, connection: socket.socket) -> None:
        connection.sendall(closing)
        raise HangUp

    with RawServer(close_after) as server:
        driver = connect(server.base_url)
        driver.send(UPSERT)
        driver.send(EVENT)
    assert server.connections == len(server.requests) == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\x01\x02\x03 nonsense\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        OK.replace(b"Content-Length: 10", b"Content-Length: 4000"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "no http", "no status", "cut short", "no chunk", "cut chunk", "no gzip", "long header"],
)
def test_answers_that_make_no_sense_leave_an_event_in_doubt(connect: Connect, raw: bytes) -> None:
    def answer(_request: bytes, connection: socket.socket) -> None:
        connection.sendall(raw)
        raise HangUp

    with RawServer(answer) as server:
        driver = connect(server.base_url)
        with pytest.raises((Unreachable, BadAnswer)) as caught:
            driver.send(EVENT)
        assert caught.value.in_doubt
        assert len(server.requests) == 1


def test_an_answer_that_only_drips_ends_with_the_timeout(connect: Connect) -> None:
    def drip(_request: bytes, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b" ")
            time.sleep(0.02)

    with RawServer(drip) as server:
        driver = connect(server.base_url, timeout=0.2, patience=ONCE)
        with pytest.raises(Unreachable):
            driver.send(GET)


def test_a_server_that_says_nothing_ends_with_the_timeout(connect: Connect) -> None:
    with RawServer(lambda _request, _connection: time.sleep(0.5)) as server:
        with pytest.raises(Unreachable) as caught:
            connect(server.base_url, timeout=0.2).send(EVENT)
        assert caught.value.in_doubt


# --- bodies ------------------------------------------------------------------------------------------------------------


def test_compressed_and_chunked_answers_are_read(connect: Connect) -> None:
    body = gzip.compress(b'{"id":"1"}')
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    with RawServer(reply(raw)) as server:
        driver = connect(server.base_url)
        assert driver.send(GET).id == "1"
        assert driver.send(GET).id == "1"
    assert server.connections == 1


def test_a_small_body_that_unpacks_to_a_huge_one_is_not_unpacked_to_the_end(connect: Connect) -> None:
    body = gzip.compress(b" " * 50_000_000)
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with RawServer(reply(raw)) as server, pytest.raises(BadAnswer, match="larger than 1000000 bytes"):
        connect(server.base_url, max_body=1_000_000, patience=ONCE).send(GET)


def test_a_redirects_body_is_capped_too(connect: Connect) -> None:
    raw = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 5000000\r\n\r\n" + b" " * 5_000_000
    with RawServer(reply(raw)) as server, pytest.raises(BadAnswer, match="larger than"):
        connect(server.base_url, max_body=1_000_000, patience=ONCE).send(GET)


def test_an_empty_answer_is_none_for_who_can_read_it(connect: Connect) -> None:
    with RawServer(reply(b"HTTP/1.1 204 No Content\r\n\r\n")) as server:
        driver = connect(server.base_url, patience=ONCE)
        assert driver.send(Call(GET.request, lambda raw: raw)) is None
        with pytest.raises(BadAnswer):
            driver.send(GET)


# --- TLS ---------------------------------------------------------------------------------------------------------------


def test_an_untrusted_certificate_is_named_and_not_in_doubt(connect: Connect, context: ssl.SSLContext) -> None:
    with RawServer(context=context) as server:
        with pytest.raises(Unreachable, match=r"(?i)certificate.*verify failed") as caught:
            connect(server.base_url, patience=ONCE).send(EVENT)
        assert not caught.value.in_doubt
        assert server.requests == []


def test_an_own_authority_is_trusted(connect: Connect, context: ssl.SSLContext, certificate: Path) -> None:
    with RawServer(context=context) as server:
        assert connect(server.base_url, verify=str(certificate)).send(GET).id == "1"


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environments_authority_is_trusted(
    connect: Connect, context: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(certificate))
    with RawServer(context=context) as server:
        assert connect(server.base_url).send(GET).id == "1"
        assert connect(server.base_url, verify=True).send(GET).id == "1"


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_checking_can_be_switched_off(connect: Connect, context: ssl.SSLContext) -> None:
    with RawServer(context=context) as server:
        assert connect(server.base_url, verify=False).send(GET).id == "1"


def test_a_bundle_that_does_not_exist_is_refused_before_anything_is_sent(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the CA bundle .*missing.pem does not exist"):
        connect("https://127.0.0.1", verify=str(tmp_path / "missing.pem"))


def test_plain_http_behind_https_is_unreachable(connect: Connect) -> None:
    with RawServer() as server, pytest.raises(Unreachable):
        connect(server.base_url.replace("http:", "https:"), timeout=0.3, patience=ONCE).send(GET)


# --- proxies -----------------------------------------------------------------------------------------------------------


def test_a_proxy_is_used(connect: Connect) -> None:
    with RawServer() as proxy:
        driver = connect("http://api.invalid", proxies={"http": f"http://user:pass@127.0.0.1:{proxy.port}"})
        assert driver.send(GET).id == "1"
    assert proxy.requests[0].startswith(b"GET http://api.invalid/users/u1 HTTP/1.1\r\n")
    assert head(proxy.requests[0])["proxy-authorization"] == "Basic dXNlcjpwYXNz"


def test_a_proxy_learns_no_key_on_the_way_to_https(connect: Connect) -> None:
    with RawServer(reply(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")) as proxy:
        driver = connect("https://api.invalid", proxies={"https": f"127.0.0.1:{proxy.port}"}, patience=ONCE)
        with pytest.raises(Unreachable, match="407") as caught:
            driver.send(EVENT)
    assert not caught.value.in_doubt
    assert proxy.requests[0].startswith(b"CONNECT api.invalid:443 HTTP/1.")
    assert KEY.encode() not in b"".join(proxy.requests)


def test_a_proxy_that_is_not_there_is_not_in_doubt_and_its_password_not_shown(connect: Connect) -> None:
    driver = connect("https://api.invalid", proxies={"https": "http://user:pw_marked@127.0.0.1:9"}, patience=ONCE)
    with pytest.raises(Unreachable) as caught:
        driver.send(EVENT)
    assert not caught.value.in_doubt
    assert "pw_marked" not in str(caught.value)


def test_the_environments_proxy_is_used_unless_excepted(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer() as proxy, RawServer() as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        monkeypatch.setenv("http_proxy", proxy.base_url)
        connect("http://api.invalid").send(GET)
        connect(server.base_url, proxies={}).send(GET)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        connect(server.base_url).send(GET)
    assert len(proxy.requests) == 1
    assert len(server.requests) == 2


@pytest.mark.parametrize("proxy", ["socks5://user:pw_marked@127.0.0.1:1080", "http://", "ftp://proxy"])
def test_other_proxies_are_refused_before_anything_is_sent(connect: Connect, proxy: str) -> None:
    with pytest.raises(ValueError, match="the proxy must be http") as caught:
        connect("https://api.invalid", proxies={"https": proxy})
    assert "pw_marked" not in str(caught.value)


# --- secrets -----------------------------------------------------------------------------------------------------------


def test_a_key_echoed_in_any_part_of_an_answer_is_scrubbed(connect: Connect) -> None:
    body = b'{"error":{"code":"%(key)s","message":"Bearer %(key)s","request_id":"%(key)s"}}' % {b"key": KEY.encode()}
    raw = b"HTTP/1.1 401 %(key)s\r\nContent-Type: text/%(key)s\r\nContent-Length: %(length)d\r\n\r\n%(body)s"
    with RawServer(reply(raw % {b"key": KEY.encode(), b"length": len(body), b"body": body})) as server:
        with pytest.raises(Unauthorized) as caught:
            connect(server.base_url).send(EVENT)
        assert not re.search(KEY, f"{caught.value!r} {caught.value.__dict__}")


def test_a_key_in_a_content_type_is_scrubbed(connect: Connect) -> None:
    raw = OK.replace(b"application/json", KEY.encode()).replace(b'{"id":"1"}', b"0123456789")
    with RawServer(reply(raw)) as server:
        with pytest.raises(BadAnswer) as caught:
            connect(server.base_url, patience=ONCE).send(GET)
        assert KEY not in str(caught.value)
