"""The file of a test, by its names and by what stands in the checkout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report import sample

from flakediag import owners
from flakediag.errors import UsageError
from flakediag.model import Identity
from flakediag.owners.places import Checkout, files_of

FILES = (
    "tests/test_shop.py",
    "tests/test_cart/TestCart.py",
    "core/src/test/java/com/shop/OrderTest.java",
    "web/src/test/kotlin/com/shop/PageTest.kt",
    "a/src/test/java/com/shop/TwiceTest.java",
    "b/src/test/java/com/shop/TwiceTest.java",
    "orders/orders_test.go",
    "orders/store_test.go",
    "spec/models/order_spec.rb",
    "web/cart.test.ts",
    "node_modules/x/tests/test_gone.py",
    ".venv/tests/test_gone.py",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for file in FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("test", "framework", "files"),
    [
        (Identity("tests.test_shop", "t"), "pytest", ("tests/test_shop.py",)),
        (Identity("tests.test_shop.TestCart.TestInner", "t"), "pytest", ("tests/test_shop.py",)),
        (Identity("tests.test_shop.lower_class", "t"), "pytest", ("tests/test_shop.py",)),
        (Identity("tests.test_cart.TestCart", "t"), "pytest", ("tests/test_cart/TestCart.py",)),
        (Identity("tests.test_gone.TestX", "t"), "pytest", ("tests/test_gone.py",)),  # as it is made, unlisted folders
        (Identity("com.shop.OrderTest", "t"), "junit", ("core/src/test/java/com/shop/OrderTest.java",)),
        (Identity("com.shop.OrderTest$Inner", "t"), "junit", ("core/src/test/java/com/shop/OrderTest.java",)),
        (Identity("com.shop.PageTest", "t"), "junit", ("web/src/test/kotlin/com/shop/PageTest.kt",)),
        (Identity("com.shop.GoneTest", "t"), "junit", ("src/test/java/com/shop/GoneTest.java",)),
        (Identity("example.com/shop/orders", "T"), "go", ("orders/orders_test.go", "orders/store_test.go")),
        (Identity("example.com/shop/none", "T"), "go", ()),
        (Identity("spec.models.order_spec", "t"), "rspec", ("spec/models/order_spec.rb",)),
        (Identity("", "adds", "web/cart.test.ts"), "jest", ("web/cart.test.ts",)),
        (Identity("", "adds", "./gone.test.ts"), "jest", ("gone.test.ts",)),
        (Identity("Cart", "adds"), "jest", ()),
        (Identity("anything", "t"), "unknown", ()),
    ],
)
def test_where_a_test_stands(root: Path, test: Identity, framework: str, files: tuple[str, ...]) -> None:
    assert files_of(test, framework, Checkout(root)) == files


def write(root: Path, text: str, place: str = "CODEOWNERS") -> None:
    (root / place).parent.mkdir(exist_ok=True)
    (root / place).write_text(text)


def test_the_owners_of_a_test(root: Path) -> None:
    write(root, "/tests/ @py\n/orders/orders_test.go @go\n/a/ @twice\n/b/ @twice\n")
    found = owners.find(root)
    assert found.owners_of(Identity("tests.test_shop", "t"), "pytest") == ("@py",)
    assert found.owners_of(Identity("spec.models.order_spec", "t"), "rspec") == ()
    assert found.owners_of(Identity("Cart", "adds"), "jest") is None  # no file, no owner to tell
    assert found.owners_of(Identity("com.shop.TwiceTest", "t"), "junit") == ("@twice",)  # whichever of the two it is
    assert found.owners_of(Identity("example.com/orders", "T"), "go") is None  # one of two files with other owners


def test_the_first_place_that_has_a_file_counts(root: Path) -> None:
    assert owners.find(root).codeowners is None
    for place in reversed(owners.PLACES):
        write(root, f"* @{place[1:4]}", place)
        assert owners.find(root).source == root / place


def test_a_report_gets_owners_only_where_there_is_a_file(root: Path) -> None:
    report = sample.report(replace(sample.TOTAL, test=Identity("tests.test_shop", "t")), sample.BROKEN)
    assert owners.owned(report, owners.find(root)) == report
    with pytest.raises(UsageError, match="no CODEOWNERS"):
        owners.owned(report, owners.find(root), "@py")
    write(root, "test_shop.py @Org/Py\n")
    assert [f.owners for f in owners.owned(report, owners.find(root)).tests] == [("@Org/Py",), ()]
    mine = owners.owned(report, owners.find(root), "org/py")
    assert [f.test.classname for f in mine.tests] == ["tests.test_shop"]
