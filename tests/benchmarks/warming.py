"""What the measurements over large reports share."""

from tests.benchmarks.pushing import push
from tests.benchmarks.setting import Setting


def warm(setting: Setting) -> int:
    """Push a little first, so that tables are loaded and connections open; return a member who has a parcel now."""
    drawn = setting.fresh(2_000)
    push(setting.instance, setting.instance.members[0], drawn, setting.start)
    return next(iter(drawn.expected))
