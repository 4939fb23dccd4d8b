"""The servers that tests get are what they are taken for."""

import pytest
import redis as driver
from tests.services.redis import ask


def test_a_database_is_empty_at_the_beginning_of_a_test(redis) -> None:
    assert ask(redis.url, "DBSIZE") == 0
    ask(redis.url, "SET", "left", "behind")
    redis.empty()
    assert ask(redis.url, "DBSIZE") == 0


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_it_held_is_gone_when_it_starts_again(own_redis, how: str) -> None:
    own = own_redis()
    ask(own.url, "SET", "a", "1")
    getattr(own.server, how)()
    with pytest.raises(driver.ConnectionError):
        ask(own.url, "PING")
    own.server.start()
    assert ask(own.url, "DBSIZE") == 0
