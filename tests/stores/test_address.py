"""One address, two drivers: they find the same database, as the same user, in the same schema."""

import re
import secrets
import shutil
from pathlib import Path
from urllib.parse import quote, urlsplit

import adbc_driver_manager as adbc
import polars as pl
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from tests.services.cluster import sql
from tests.services.postgres import Postgres

from wattbook.core.errors import InputError, UnavailableError
from wattbook.settings import Settings, load
from wattbook.stores.address import Address
from wattbook.stores.postgres.engine import Engine
from wattbook.stores.sql.engine import create_engine, reached

ODD = "p@ss:w/o?r#d %&+='\"é⚡"
"""Everything that means something in an address."""


# --- what an address is ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://user:secret@host/name",
        "postgresql:/user:secret@host/name",
        "postgresql://user:se@cret@host/name",
        "postgresql://user:secret/2@host/name",
        "postgresql://user:12/34@host/name",
        "postgresql://user:secret?@host/name",
        "postgresql://user:12?secret=@host/name",
        "postgresql://user:secret#1@host/name",
        "postgresql://user:sec ret@host/name",
        "postgresql://user:sec%ret@host/name",
        "postgresql://user:secret%00@host/name",
        "postgresql://user:secret@host:port/name",
        "postgresql://user:secret@host:0/name",
        "postgresql://user:secret@host:65536/name",
        "postgresql://user:secret@[::1/name",
        "postgresql://user:secret@host/name?sslmode",
        "postgresql://user:secret@host/name?=require",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InputError, match="no address of PostgreSQL") as caught:
        Address.of(url)

    assert not re.search("sec|12|se@", str(caught.value).partition(" (in a user")[0])
    with pytest.raises(InputError, match="DATABASE_URL: no address") as caught:
        load(database_url=url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@db.example/wattbook", "db.example:5432/wattbook"),
        ("postgres://u:secret@db.example:6543/w?sslmode=require", "db.example:6543/w"),
        ("postgresql://u:secret@[::1]:6543/w", "[::1]:6543/w"),
        ("postgresql://u:secret@one:1,two:2/w?target_session_attrs=read-write", "one:1,two:2/w"),
        ("postgresql://u@%2Frun%2Fpg/w%20b", "/run/pg:5432/w b"),
        ("postgresql:///w?host=/run/pg&port=6543&user=u&password=secret", "/run/pg:6543/w"),
        ("postgresql://?dbname=w", "localhost:5432/w"),
        (" postgresql://u:secret@h/w\n", "h:5432/w"),
    ],
)
def test_as_text_an_address_says_where_and_nothing_else(url: str, shown: str) -> None:
    address = Address.of(url)

    assert str(address) == f"PostgreSQL at {shown}"
    assert "secret" not in repr(address)
    assert str(Address.of(address.url)) == str(address)


def test_parts_of_an_address_are_encoded() -> None:
    address = Address.at("::1", 5432, "w/b", "me@home", ODD)

    assert re.fullmatch(r"postgresql://me%40home:[\w%'.~-]+@\[::1\]:5432/w%2Fb", address.url)
    assert str(address) == "PostgreSQL at [::1]:5432/w/b"
    assert Address.at("/run/pg", 5432, "w", "me", None).url == "postgresql://me@%2Frun%2Fpg:5432/w"


def test_what_an_address_names_goes_before_what_is_asked_for() -> None:
    address = Address.of("postgresql://h/w?connect_timeout=3&application_name=a+b")

    more = address.asking(connect_timeout="5", options="-c a=b")

    assert more.url == (
        "postgresql://h/w?connect_timeout=3&application_name=a%2Bb&options=-c%20a%3Db"
    )
    assert more.parameter("connect_timeout") == "3"
    assert more.without({"connect_timeout", "options"}).parameter("options") is None


# --- both drivers ------------------------------------------------------------------------------

TOLD = (
    "select current_user::text as me, current_schema()::text as schema,"
    " current_setting('application_name') as name, current_setting('work_mem') as memory"
)


async def asked(url: str, question: str = TOLD) -> list[tuple[str, ...]]:
    """What each driver's connection says of itself."""
    session = Engine(url).connect()
    series = session.fetch(question).row(0)
    session.close()
    engine = create_engine(url)
    with reached(engine.url):
        async with engine.connect() as connection:
            registry = (await connection.execute(text(question))).one()
    await engine.dispose()
    return [series, tuple(registry)]


async def test_both_drivers_read_what_an_address_asks_for_alike(database) -> None:
    sql(database, "create schema house")
    options = quote("-csearch_path=house -c work_mem=7MB", "")
    rest = (
        "sslmode=prefer&connect_timeout=3&keepalives=1&channel_binding=prefer&gssencmode=disable"
        "&target_session_attrs=any&client_encoding=UTF8&application_name=my%20house+1"
    )

    for url in (database, database.replace("postgresql://", "postgres://")):
        (series, registry) = await asked(f"{url}?options={options}&{rest}")

        assert series == registry
        assert series[1:] == ("house", "my house+1", "7MB")
    assert {each[2] for each in await asked(database)} == {"wattbook"}


async def test_both_drivers_find_a_socket_in_a_folder(postgres, database) -> None:
    parts = urlsplit(database)
    folder, port = postgres.cluster.folder, parts.port
    login = parts.netloc.rpartition("@")[0]
    for url in (
        f"postgresql://{login}@{parts.path}?host={folder}&port={port}",
        f"postgresql://{login}@{quote(str(folder), '')}:{port}{parts.path}",
        Settings(
            database_host=str(folder),
            database_port=port,
            database_name=parts.path.removeprefix("/"),
            database_user="wattbook",
            database_password=postgres.password,
        ).postgresql_url,
    ):
        assert url is not None
        series, registry = await asked(url)
        assert series == registry


async def test_a_password_may_hold_any_character(postgres, database) -> None:
    cluster = postgres.cluster
    name = "odd@role"
    said = ODD.replace("'", "''")
    sql(postgres.admin_url, f"create role \"{name}\" login password '{said}'")
    try:
        parts = urlsplit(database)
        written = f"{quote(name, '')}:{quote(ODD, '')}@127.0.0.1:{cluster.port}"
        settings = Settings(
            database_host="127.0.0.1",
            database_port=cluster.port,
            database_name=parts.path.removeprefix("/"),
            database_user=name,
            database_password=SecretStr(ODD),
        )
        for url in (parts._replace(netloc=written).geturl(), settings.postgresql_url):
            assert url is not None
            assert {each[0] for each in await asked(url)} == {name}
    finally:
        sql(postgres.admin_url, f'drop role "{name}"')


WRONG = {
    "wrong password": (r"(?<=:)\w+(?=@)", "secret", "password authentication failed"),
    "empty password": (r"(?<=:)\w+(?=@)", "", "password"),
    "unknown host": ("127.0.0.1", "no.such.host.invalid", "[Nn]ame"),
    "closed port": (r":\d+/", ":1/", "refused|Connect call failed"),
    "unknown database": ("$", "_not_there", "does not exist"),
    "no encryption": ("$", "?sslmode=require", "SSL"),
    "unknown parameter": ("$", "?colour=secret", "colour"),
    "bad sslmode": ("$", "?sslmode=perhaps", "sslmode"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_each_driver_says_what_is_wrong_and_where_but_never_the_password(
    postgres, database, what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert postgres.password is not None
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    found, instead, said = WRONG[what]
    url = re.sub(found, instead, database, count=1)
    place = Address.of(url)

    for told in await refusals(url):
        assert told.startswith(f"{place}: ")
        assert re.search(said, told)
        assert "\n" not in told
        assert postgres.password not in told
        assert "secret" not in told


@pytest.fixture(scope="module")
def encrypting(own_postgres) -> tuple[Postgres, Path]:
    """A server with a certificate for 127.0.0.1 that only its own file vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    server = own_postgres()
    folder = server.cluster.data
    named = ["-subj", "/CN=wattbook", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = server.cluster.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *named),
            *("-keyout", folder / "server.key", "-out", folder / "server.crt"),
        ]
    )
    assert made.returncode == 0, made.stderr
    with (folder / "postgresql.conf").open("a") as conf:
        conf.write("ssl = on\n")
    server.restart()
    certificate = server.cluster.folder / "ca.crt"
    certificate.write_bytes((folder / "server.crt").read_bytes())
    return server, certificate


TLS = "select ssl::text as encrypted from pg_stat_ssl where pid = pg_backend_pid()"


async def test_both_drivers_encrypt_and_check_the_certificate_as_sslmode_says(encrypting) -> None:
    server, certificate = encrypting
    with server.fresh() as url:
        for mode in (
            *("sslmode=require", "sslmode=prefer"),
            *(f"sslmode={mode}&sslrootcert={certificate}" for mode in ("verify-ca", "verify-full")),
        ):
            assert await asked(f"{url}?{mode}", TLS) == [("true",), ("true",)], mode
        assert await asked(f"{url}?sslmode=disable", TLS) == [("false",), ("false",)]

        for mode, place in (
            ("sslmode=verify-full&sslrootcert=system", "127.0.0.1"),
            (f"sslmode=verify-full&sslrootcert={certificate}", "localhost"),
        ):
            for said in await refusals(f"{url.replace('127.0.0.1', place)}?{mode}"):
                assert re.search("certificate|verif", said), said


async def refusals(url: str) -> list[str]:
    """What each driver says of a database that cannot be had."""
    registry = create_engine(url)
    with pytest.raises(UnavailableError) as series:
        await Engine(url).read(lambda session: session.fetch("select 1 as one"))
    with pytest.raises(UnavailableError) as sites, reached(registry.url):
        await registry.connect().start()
    return [str(series.value), str(sites.value)]


async def test_text_comes_back_whatever_the_database_encodes_it_in(postgres) -> None:
    name = f"wattbook_test_{secrets.token_hex(6)}"
    how = "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0"
    sql(postgres.admin_url, f"create database {name} {how}")
    try:
        url = postgres.admin_url.rpartition("/")[0] + f"/{name}"
        sql(url, "create table names (name text)")
        session = Engine(url).connect()
        session.copy("names", pl.DataFrame({"name": ["Zürich"]}))
        with pytest.raises(adbc.Error, match="no equivalent in encoding"):
            session.copy("names", pl.DataFrame({"name": ["⚡"]}))
        assert session.fetch("select name from names")["name"].to_list() == ["Zürich"]
        session.close()
    finally:
        sql(postgres.admin_url, f"drop database {name} with (force)")
