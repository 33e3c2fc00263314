import pytest
from evidence_samples import failing
from hypothesis import given
from hypothesis import strategies as st

from flakediag.analysis.boundary import LENGTH, MOST, artefacts_of, boundary_of
from flakediag.model import Boundary

AT = [
    (Boundary.DATABASE, failing("UNIQUE constraint failed: orders.number", "sqlite3.IntegrityError")),
    (Boundary.DATABASE, failing("could not obtain connection", "org.postgresql.util.PSQLException")),
    (Boundary.DATABASE, failing("SQLSTATE[40001]: serialization failure", "PDOException")),
    (Boundary.QUEUE, failing("no message on topic orders.created", "kafka.errors.KafkaTimeoutError")),
    (Boundary.QUEUE, failing("channel closed by broker", "pika.exceptions.ChannelClosed")),
    (Boundary.CACHE, failing("cache miss for key basket", "CacheError")),
    (Boundary.AUTHENTICATION, failing("401 Unauthorized: token has expired", "")),
    (Boundary.SERIALISATION, failing("Expecting value: line 1 column 1 (char 0)", "json.decoder.JSONDecodeError")),
    (Boundary.VALIDATION, failing("1 validation error for Order: field required", "pydantic.ValidationError")),
    (Boundary.EXTERNAL_SERVICE, failing("getaddrinfo ENOTFOUND payments.shop.example", "Error")),
    (Boundary.EXTERNAL_SERVICE, failing("503 Service Unavailable", "")),
    (Boundary.HTTP, failing("GET /orders: connection refused", "requests.exceptions.ConnectionError")),
    (Boundary.HTTP, failing("expected status code 201", "AssertionError")),
    (Boundary.FILE_SYSTEM, failing("[Errno 2] No such file or directory: 'out.csv'", "FileNotFoundError")),
]
NOWHERE = [
    failing("assert 3 == 2", "AssertionError"),
    failing("expected: <true> but was: <false>"),
    failing("Timeout of 2000ms exceeded"),
    failing("'NoneType' object has no attribute 'total'", "AttributeError"),
    failing("list index out of range", "IndexError"),
    failing("wanted 60 serialized bumps, saw 59"),
    failing("<svg xmlns='http://www.w3.org/2000/svg'> differs"),
    failing("expected 500 rows"),
    failing("division by zero", "ZeroDivisionError"),
    failing("panic: index out of range"),
    failing("done() called twice"),
    failing("it broke"),
    failing(""),
]


@pytest.mark.parametrize(("boundary", "detail"), AT)
def test_the_boundary(boundary, detail):
    assert boundary_of(detail) is boundary


@pytest.mark.parametrize("detail", NOWHERE)
def test_no_boundary(detail):
    assert boundary_of(detail) is None
    assert artefacts_of(detail) == ()


LIFTED = [
    ("sqlstate", "23505", "ERROR: duplicate (SQLSTATE 23505)"),
    (
        "sql-error",
        'duplicate key value violates unique constraint "orders_pkey"',
        'duplicate key value violates unique constraint "orders_pkey"',
    ),
    ("sql-detail", "Key (id)=(7) already exists.", "DETAIL:  Key (id)=(7) already exists."),
    ("http-status", "503", "status code: 503"),
    ("http-status", "404 Not Found", "HTTP/1.1 404 Not Found"),
    ("http-request", "POST /api/orders", "POST /api/orders answered late"),
    ("http-body", '{"error":"no stock"}', 'response body: {"error":"no stock"}'),
    ("request-id", "7f9a-21bc", "x-request-id: 7f9a-21bc"),
    ("topic", "orders.created", "no message on topic orders.created"),
    ("queue", "mails", 'queue "mails" is empty'),
    ("message-id", "m-123", "message id: m-123"),
    ("file", "out.csv", "No such file or directory: 'out.csv'"),
]


@pytest.mark.parametrize(("kind", "value", "message"), LIFTED)
def test_what_is_lifted_out(kind, value, message):
    assert (kind, value) in {(a.kind, a.value) for a in artefacts_of(failing(message))}


@given(st.text(max_size=400))
def test_artefacts_are_few_short_and_printable(text):
    found = artefacts_of(failing(text, text, f"status: 500 {text}", text))
    assert len(found) <= MOST
    assert len(set(found)) == len(found)
    assert all(0 < len(a.value) <= LENGTH and a.value.isprintable() for a in found)


def test_what_is_only_a_part_of_another_artefact_is_not_named_again() -> None:
    said = 'failed with "ERROR: duplicate key value violates unique constraint \\"users_pkey\\"" and then again'
    text = 'DETAIL:  Key (id)=(7) already exists."\nDETAIL:  Key (id)=(7) already exists.'
    values = [a.value for a in artefacts_of(failing(said, "UniqueViolation", text))]
    assert not any(one != other and one in other for one in values for other in values)
    assert any("Key (id)=(7) already exists" in value for value in values)
