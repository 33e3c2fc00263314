from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakediag.junit.identity import relative_file, without_noise


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("test_a[<object object at 0x7f0000000010>]", "test_a[<object object at 0x7fdeadbeef00>]"),
        ("obj #<Object:0x00007f0000000000>", "obj #<Object:0x00007f1234567890>"),
        ("test_b[9df0af35-038e-4a8a-98b1-93d52e9a636b]", "test_b[00000000-038E-4a8a-98b1-93d52e9a636b]"),
        ("test_u[24ebe8bb4ea94ee394e04ba68b9e9778]", "test_u[34ebe8bb4ea94ee394e04ba68b9e9779]"),
        ("test_c[1709374830.5]", "test_c[1709374831.25]"),
        ("rnd 0.123456789", "rnd 0.987654321"),
        ("test_d[/tmp/pytest-of-me/pytest-18/x0]", "test_d[/tmp/pytest-of-ci/pytest-3/x0]"),
        ("test_d[/tmp/pytest-18/x0]", "test_d[/tmp/pytest-19/x0]"),
        ("test_e[127.0.0.1:50222]", "test_e[127.0.0.1:39111]"),
        ("http://localhost:8080/a", "http://localhost:9090/a"),
        ("get db.internal.example:5432", "get db.internal.example:15432"),
        ("test_q[<Mock id='140234567890123'>]", "test_q[<Mock id='139876543210987'>]"),
        ("cart(shop.Cart@6d06d69c)", "cart(shop.Cart@7852e922)"),
        ("cart([Ljava.lang.String;@1b6d3586)", "cart([Ljava.lang.String;@4554617c)"),
        ("f(Shop$$Lambda/0x0000000800c8b840@1b2c3d)", "f(Shop$$Lambda/0x0000000800c8b000@3d2c1b)"),
        ("test_t[2024-03-01T10:20:30.123457Z]", "test_t[2025-11-12T01:02:03.918273Z]"),
        ("test_t[2024-03-01 10:20:30.918273+01:00]", "test_t[2025-11-12 01:02:03.273918+02:00]"),
        ("at 2024-03-01T10:20:30.678Z", "at 2025-11-12T01:02:03.481Z"),
        ("test_f[/tmp/tmpab12cd34/x]", "test_f[/tmp/tmpx_9y8z7w/x]"),
        ("test_f[/tmp/tmp.Ab12Cd34Ef]", "test_f[/tmp/tmp.zZ98yY76xX]"),
        ("test_f[/tmp/TestCart2345678/001]", "test_f[/tmp/TestCart8765432/001]"),
        ("reads /tmp/shop-aB3dE9/cart.json", "reads /tmp/shop-zY8xW7/cart.json"),
        ("test_f[/tmp/tmpab12cd34/x]", "test_f[/private/var/folders/zz/abc_def0000gn/T/tmpx1y2z3w4/x]"),
        ("test_f[/tmp/tmpab12cd34/x]", "test_f[C:/Users/me/AppData/Local/Temp/tmpx1y2z3w4/x]"),
        ("f(C:\\Users\\me\\AppData\\Local\\Temp\\a.txt)", "f(C:\\Users\\ci\\AppData\\Local\\Temp\\a.txt)"),
        ("f(/var/folders/zz/abc_def0000gn/T/a.txt)", "f(/var/folders/yy/fed_cba0000gn/T/a.txt)"),
    ],
)
def test_noise_does_not_make_another_test(one: str, other: str) -> None:
    assert without_noise([one]) == without_noise([other]) != [one]


@pytest.mark.parametrize(
    "name",
    [
        "test_f[gw3]",
        "test_g[1-3]",
        "test_h[0]",
        "t #2 (retry)",
        "test_timeout_30",
        "at 10:30 sharp",
        "test_error_0x1F",
        "pytest-8",
        "test_max[2147483647]",
        "test_pi[3.14159265]",
        "ratio 16:09",
        "tests.test_x::TestY",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "2024-01-02T03:04:05",
        "case_a:80",
        "http://localhost:80/a",
        "https://127.0.0.1:443",
        "test_port[8080]",
        "test_status[404]",
        "HTTP 503 after 3 tries",
        "test_year[1999]",
        "test_leap_day[2024-02-29]",
        "test_version[3.12.1]",
        "upgrades from 1.10.0 to 2.0.0-rc.1",
        "test_moment[2024-01-02T03:04:05Z]",
        "test_moment[2024-01-02T03:04:05.000Z]",
        "test_moment[2024-01-02T03:04:05.123456]",
        "test_moment[1970-01-01 00:00:00.500000+00:00]",
        "at 23:59:59.999999",
        "mail to Ann@example.org",
        "uses actions/checkout@ab12cd3",
        "shares with @ab12cd3",
        "installs left-pad@12345",
        "test_colour[a1b2c3]",
        "test_key[a1b2c3d4e5f60718]",
        "id 507f1f77bcf86cd799439011",
        "name V1StGXR8_Z5jdHi6B-myT",
        "reads /tmp/config.json",
        "reads /tmp/data-2024.csv",
        "reads /tmp/shop-Config/a",
        "writes C:\\Temp\\report.txt",
        "/srv/tmp12345678/x",
        "test_worker[pid=4711]",
        "test_big[1e10]",
        "test_hex[0xFF00]",
        "café",
    ],
)
def test_what_may_be_meant_stays(name: str) -> None:
    assert without_noise([name]) == [name]


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)))
def test_every_name_is_cleaned_as_if_it_stood_alone(names: list[str]) -> None:
    assert list(without_noise(names)) == [without_noise([name])[0] for name in names]


@given(st.text(alphabet="0123456789abcdefxTZ@-.:[]/ pytesmC\\\\", max_size=60))
def test_cleaning_twice_is_cleaning_once(name: str) -> None:
    once = without_noise([name])
    assert without_noise(once) == once


@pytest.mark.parametrize(
    ("path", "relative"),
    [
        ("", ""),
        ("tests/test_a.py", "tests/test_a.py"),
        ("./spec/a_spec.rb", "spec/a_spec.rb"),
        ("/".join(["", "home", "runner", "work", "shop", "shop", "test", "a.js"]), "test/a.js"),  # GitHub Actions
        ("D:\\a\\shop\\shop\\test\\a.js", "test/a.js"),
        ("/builds/group/shop/test/a.js", "test/a.js"),
        ("/home/circleci/project/test/a.js", "test/a.js"),
        ("/var/lib/jenkins/workspace/shop/test/a.js", "test/a.js"),
        ("/".join(["", "home", "vsts", "work", "1", "s", "test", "a.js"]), "test/a.js"),  # Azure Pipelines
        ("file:///github/workspace/test/a.js", "test/a.js"),
        ("/somewhere/else/test/a.js", "/somewhere/else/test/a.js"),
    ],
)
def test_files_are_relative_to_the_checkout(path: str, relative: str) -> None:
    assert relative_file(path) == relative


def test_the_checkout_can_be_named() -> None:
    assert relative_file("/data/build/shop/test/a.js", "/data/build/shop/") == "test/a.js"
    assert relative_file("/data/build/shopping/test/a.js", "/data/build/shop") == "/data/build/shopping/test/a.js"
