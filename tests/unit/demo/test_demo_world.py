"""Where the demo's world comes from, with the data set and without."""

import ast
import io
import os
import pickle
from pathlib import Path

import polars as pl
import pytest

from hub.addresses import parse
from hub.demo import drawn
from hub.demo.cast import choose
from hub.demo.drawn import drawn_world
from hub.demo.texts_ja import MESSAGES
from hub.demo.world import DATA_VARIABLE, FLOW_COLUMNS, World, data_directory, recorded_world

SIZE = 3_000


@pytest.fixture(scope="module")
def package_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Give the world without the data set."""
    return drawn_world(tmp_path_factory.mktemp("world"), SIZE)


class TestDrawnWorld:
    """Without the data set the installed package's prefixes serve, and sources are drawn from them."""

    def test_an_empty_directory_is_no_data_set(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A variable that names nothing useful leads to the package, not to a failure."""
        monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
        assert data_directory() is None

    def test_every_source_is_routed(self, package_world: World) -> None:
        """Sources drawn from real prefixes stand in real prefixes."""
        halves = parse(package_world.flows["src_ip"])
        located = package_world.table.locate(halves["hi"].to_numpy(), halves["lo"].to_numpy())
        assert package_world.flows.height == SIZE
        assert (located != 0).all()

    def test_numbers_are_for_private_use(self, package_world: World) -> None:
        """The package has no AS numbers; those given are of RFC 6996's range and pretend to be nobody's."""
        numbers = [asn for asn in package_world.table.systems.tolist() if asn]
        assert min(numbers) >= 4_200_000_000
        assert max(numbers) <= 4_294_967_294

    def test_real_prefixes_keep_their_operators(self, package_world: World) -> None:
        """A well-known resolver's address belongs to its well-known operator."""
        halves = parse(pl.Series(["1.1.1.1", "8.8.8.8"]))
        found = package_world.table.locate(halves["hi"].to_numpy(), halves["lo"].to_numpy()).tolist()
        assert [package_world.operators[asn].name for asn in found] == ["CLOUDFLARENET", "GOOGLE"]

    def test_the_reader_runs_nothing(self) -> None:
        """A pickle that would call something is refused before it does."""
        harmful = pickle.dumps(os.getcwd)
        with pytest.raises(pickle.UnpicklingError, match="names"):
            drawn._PlainReader(io.BytesIO(harmful)).load()

    def test_the_cast_has_somebody_at_work(self, package_world: World) -> None:
        """Whatever the world, there are carriers with sources to show, and nobody is cast twice."""
        cast = choose(package_world)
        assert all(part.sources for part in cast.actors[:-1])
        names = [part.name for part in cast.members]
        assert len(names) == len(set(names))


class TestRecordedWorld:
    """With the data set, the attack is the recorded one."""

    def test_nothing_of_the_honeypots_own_is_an_attack(self) -> None:
        """Flows from the recorded side are no attack; nor is what was sent to others than the honeypots."""
        directory = data_directory()
        if directory is None:
            pytest.skip(f"the data set is not here; {DATA_VARIABLE} would name it")
        world = recorded_world(directory, SIZE)
        assert world.flows.columns == list(FLOW_COLUMNS)
        assert world.flows.height == SIZE
        assert not world.flows["src_ip"].str.starts_with("192.168.").any()
        assert world.flows["moment"].is_between(0, 1).all()


class TestTexts:
    """The demo speaks both languages."""

    def test_every_sentence_has_a_japanese_one(self) -> None:
        """Nothing is left in English, and no translation is left over."""
        said = set()
        for file in (Path(drawn.__file__).parent).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                    said.add(ast.literal_eval(node.args[0]))
        assert said == set(MESSAGES)
