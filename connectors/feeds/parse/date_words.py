"""Words in dates: zones, months, halves of the day, eras."""

from __future__ import annotations

from typing import Final

ZONES: Final = {
    **dict.fromkeys(("", "z", "gmt", "utc", "ut", "wet"), 0),
    # RFC 822; CST is China's as well, which its feeds hardly use.
    "est": -300,
    "edt": -240,
    "cst": -360,
    "cdt": -300,
    "mst": -420,
    "mdt": -360,
    "pst": -480,
    "pdt": -420,
    "akst": -540,
    "akdt": -480,
    "hst": -600,
    "ast": -240,
    "adt": -180,
    "nst": -210,
    "ndt": -150,
    "jst": 540,
    "kst": 540,
    "hkt": 480,
    "sgt": 480,
    "myt": 480,
    "pht": 480,
    "awst": 480,
    "ict": 420,
    "wib": 420,
    "ist": 330,
    "pkt": 300,
    "gst": 240,
    "msk": 180,
    "trt": 180,
    "eet": 120,
    "eest": 180,
    "sast": 120,
    "cet": 60,
    "cest": 120,
    "mez": 60,
    "mesz": 120,
    "met": 60,
    "mest": 120,
    "bst": 60,
    "west": 60,
    "brt": -180,
    "art": -180,
    "aest": 600,
    "aedt": 660,
    "acst": 570,
    "acdt": 630,
    "nzst": 720,
    "nzdt": 780,
}
"""Name, lower case -> minutes east of Greenwich."""

MONTHS: Final[dict[str, int]] = {
    name: number
    for number, names in enumerate(
        (
            (
                "jan january januar jänner janvier janv enero ene janeiro gennaio gen januari янв "
                "января январь 一月"
            ),
            (
                "feb february februar février févr fév fevr febrero fevereiro fev febbraio "
                "februari фев февр февраля февраль 二月"
            ),
            "mar march märz mär mrz mars marzo março marco maart мар марта март 三月",
            "apr april avril avr abril abr aprile апр апреля апрель 四月",
            "may mai mayo maio maggio mag mei мая май 五月",
            "jun june juni juin junio junho giugno giu июн июня июнь 六月",
            "jul july juli juillet juil julio julho luglio lug июл июля июль 七月",
            "aug august août aout agosto ago augustus авг августа август 八月",
            (
                "sep sept september septembre septiembre setembro set settembre сен сент сентября "
                "сентябрь 九月"
            ),
            (
                "oct october oktober okt octobre octubre outubro out ottobre ott окт октября "
                "октябрь 十月"
            ),
            "nov november novembre noviembre novembro ноя нояб ноября ноябрь 十一月",
            (
                "dec december dezember dez décembre déc decembre diciembre dic dezembro dicembre "
                "дек декабря декабрь 十二月"
            ),
        ),
        start=1,
    )
    for name in names.split()
}
"""Names of months in the languages that feeds are known to use in dates, lower case -> number."""

MORNING: Final = frozenset({"午前", "上午", "凌晨", "早上", "오전", "am"})
NOON: Final = frozenset({"中午"})
AFTERNOON: Final = frozenset({"午後", "下午", "晚上", "오후", "pm"})
HALVES: Final = tuple(sorted(w for w in MORNING | NOON | AFTERNOON if not w.isascii()))
"""Those that stand before the time."""

ERAS: Final = {
    "令和": 2018,
    "平成": 1988,
    **dict.fromkeys(("中華民國", "中华民国", "民國", "民国"), 1911),
}
"""Name -> the year before its first."""
