"""SQL functions that mean the same on every database: those of docs/functions.md."""

import math
from datetime import date, datetime

import pytest

import lodestore as dj


@pytest.fixture
def table(schema):
    @schema
    class Measure(dj.Manual):
        definition = """
        id : int32
        ---
        n : int32
        x : float64
        price : decimal(8, 2)
        name=null : varchar(20)
        sex : enum('F', 'M')
        day : date
        at : datetime
        """

    Measure.insert(
        [
            {
                "id": id,
                "n": id * 3,
                "x": id + 0.75,
                "price": id + 1,
                "name": None if id == 3 else f"nâme{id}",
                "sex": "FM"[id % 2],
                "day": date(2024, 1, 29 + id) if id < 3 else date(2024, 2, 3),
                "at": datetime(2024, 1, 31, 10, 20, 30 + id),
            }
            for id in range(5)
        ]
    )
    return Measure


def plain(value):
    """A value as it comes out of any database: numbers as floats, moments as text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S").removesuffix(" 00:00:00")
    if isinstance(value, date):
        return value.isoformat()
    return float(value)


#: Of the row with id 2: n=6, x=2.75, price=3, name='nâme2', sex='F', day=2024-01-31, at=2024-01-31 10:20:32.
SCALARS = {
    "abs(n - 10)": 4,
    "sign(n - 10)": -1,
    "round(x, 1)": 2.8,
    "mod(n, 4)": 2,
    "greatest(n, 7, id)": 7,
    "least(n, 7, id)": 2,
    "coalesce(name, 'none')": "nâme2",
    "ifnull(name, 'none')": "nâme2",
    "nullif(id, 2)": None,
    "if(n > 5, 'big', 'small')": "big",
    "case when n > 5 then 1 else 0 end": 1,
    "concat(name, '-', id)": "nâme2-2",
    "concat(name, null)": None,
    "substring(name, 2, 3)": "âme",
    "substr(name, 2)": "âme2",
    "substring(name from 2 for 3)": "âme",
    "mid(name, 2, 3)": "âme",
    "left(name, 2)": "nâ",
    "right(name, 2)": "e2",
    "upper('ab')": "AB",
    "lower('AB')": "ab",
    "char_length(name)": 5,
    "replace(name, 'me', 'x')": "nâx2",
    "trim('  a ')": "a",
    "reverse(name)": "2emân",
    "repeat('ab', 2)": "abab",
    "lpad(id, 4, '0')": "0002",
    "rpad(name, 7, '.')": "nâme2..",
    "instr(name, 'm')": 3,
    "locate('m', name)": 3,
    "position('m' in name)": 3,
    "cast(n as char)": "6",
    "cast('12' as signed)": 12,
    "cast(n as double)": 6,
    "year(day)": 2024,
    "month(day)": 1,
    "day(day)": 31,
    "hour(at)": 10,
    "minute(at)": 20,
    "second(at)": 32,
    "quarter(day)": 1,
    "dayofyear(day)": 31,
    "dayofweek(day)": 4,
    "weekday(day)": 2,
    "dayname(day)": "Wednesday",
    "monthname(day)": "January",
    "extract(year from day)": 2024,
    "last_day(day)": "2024-01-31",
    "date(at)": "2024-01-31",
    "datediff(day, '2024-01-01')": 30,
    "timestampdiff(minute, '2024-01-31 10:00:00', at)": 20,
    "timestampdiff(month, '2023-11-30', day)": 2,
    "date_add(day, interval 1 day)": "2024-02-01",
    "date_sub(at, interval 2 hour)": "2024-01-31 08:20:32",
    "date_add(day, interval 1 month)": "2024-02-29",
    "date_add(day, interval id week)": "2024-02-14",
    "day + interval 1 day": "2024-02-01",
    "day - interval 1 year": "2023-01-31",
    "at + interval 90 second": "2024-01-31 10:22:02",
    "at + interval 1 day - interval 20 minute": "2024-02-01 10:00:32",
    "timestampadd(hour, 3, at)": "2024-01-31 13:20:32",
    "date_format(at, '%Y/%m/%d %H:%i:%s')": "2024/01/31 10:20:32",
}


@pytest.mark.parametrize("sql", SCALARS)
def test_a_function_of_a_row(table, sql):
    found = plain((table & "id = 2").proj(value=sql).fetch1("value"))
    expected = SCALARS[sql]
    assert found == (pytest.approx(expected, rel=1e-12) if isinstance(expected, (int, float)) else expected)


AGGREGATES = {
    "sum(sex = 'F')": 3,
    "sum(n > 3)": 3,
    "sum(name is null)": 1,
    "sum(n between 3 and 9)": 3,
    "sum(n in (3, 6))": 2,
    "sum(name like 'n%')": 4,
    "sum(sex = 'F' and n > 3)": 2,
    "sum(not sex = 'F')": 2,
    "sum((n > 3))": 3,
    "avg(sex = 'F')": 0.6,
    "sum(case when sex = 'F' then 2 else 0 end)": 6,
    "sum(if(n > 3, n, 0))": 27,
    "sum(n + id)": 40,
    "std(n)": math.sqrt(18),
    "stddev(n)": math.sqrt(18),
    "stddev_pop(price)": math.sqrt(2),
    "stddev_samp(n)": math.sqrt(22.5),
    "variance(n)": 18,
    "var_pop(x)": 2,
    "var_samp(x)": 2.5,
    "max(n) - min(n)": 12,
    "count(distinct sex)": 2,
    "group_concat(id order by id desc separator '-')": "4-3-2-1-0",
    "group_concat(id order by id)": "0,1,2,3,4",
}


@pytest.mark.parametrize("sql", AGGREGATES)
def test_a_function_of_many_rows(table, sql):
    found = plain(dj.U().aggr(table, value=sql).fetch1("value"))
    expected = AGGREGATES[sql]
    assert found == (pytest.approx(expected, rel=1e-9) if isinstance(expected, (int, float)) else expected)


def test_functions_in_conditions(table):
    assert len(table & "day + interval 1 day > '2024-01-31'") == 3
    assert len(table & "at < '2024-01-31 10:20:31' + interval 2 second") == 3
    assert len(table & "concat(sex, id) = 'F2'") == 1
    groups = dj.U("sex").aggr(table, share="avg(n > 3)", spread="std(n)").to_dicts(order_by="sex")
    assert [plain(row["spread"]) for row in groups] == [pytest.approx(math.sqrt(24)), 3]


def test_statistics_of_few_rows(table):
    one = dj.U().aggr(table & "id = 1", p="std(n)", s="stddev_samp(n)", v="var_samp(n)").fetch1()
    assert (one["p"], one["s"], one["v"]) == (0, None, None)
    none = dj.U().aggr(table & "id > 9", p="std(n)", s="sum(n = 1)").fetch1()
    assert (none["p"], none["s"]) == (None, None)
