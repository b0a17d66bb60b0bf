"""`vipe cache`: the cache of detected poses."""

from typing import TYPE_CHECKING, Any

from vipecli.cli.console import say
from vipecli.cli.help import App
from vipecli.cli.options import Json

if TYPE_CHECKING:
    from vipecli.poses.cache import Usage

app = App("Poses found before, kept so that a clip is analysed only once.")


@app.command()
def info(json: Json = None) -> None:
    """Show where the cache is, its size and its limit.

    VIPE_CACHE names another folder, or switches it off (VIPE_CACHE=off); VIPE_CACHE_MB is its
    limit. The clips used least recently go first.
    """
    from vipecli.cli.console import STDOUT, check_json, write_json
    from vipecli.poses.cache import usage

    check_json(json)
    found = usage()
    if json:
        write_json(_as_json(found), json)
    if json == STDOUT:
        return
    if found.folder is None:
        say("The cache is switched off (VIPE_CACHE)")
        return
    say(str(found.folder))
    say(f"  {_amount(found)} of {found.limit / 1e6:.0f} MB")


@app.command()
def clear() -> None:
    """Remove all cached poses."""
    from vipecli.poses import cache

    say(f"Removed {_amount(cache.clear())}")


def _amount(usage: "Usage") -> str:
    return f"{usage.clips} clip{'' if usage.clips == 1 else 's'}, {usage.size / 1e6:.1f} MB"


def _as_json(usage: "Usage") -> dict[str, Any]:
    return {
        "folder": None if usage.folder is None else str(usage.folder),
        "clips": usage.clips,
        "bytes": usage.size,
        "limit_bytes": usage.limit,
    }
