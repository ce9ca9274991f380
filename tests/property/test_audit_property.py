import hashlib
import itertools
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.audit.entry import leaf_hash
from hub.audit.tree import (
    append,
    consistency_proof,
    inclusion_proof,
    root,
    root_of,
    verify_consistency,
    verify_inclusion,
)

leaf_lists = st.integers(1, 70).map(lambda count: [leaf_hash(str(number).encode()) for number in range(count)])


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _largest_power_below(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def naive_root(entries: Sequence[bytes]) -> bytes:
    """Compute the Merkle tree hash word by word as RFC 6962, section 2.1 defines it."""
    if not entries:
        return _sha256(b"")
    if len(entries) == 1:
        return _sha256(b"\x00" + entries[0])
    half = _largest_power_below(len(entries))
    return _sha256(b"\x01" + naive_root(entries[:half]) + naive_root(entries[half:]))


def naive_path(entries: Sequence[bytes], index: int) -> list[bytes]:
    """Compute the audit path as RFC 6962, section 2.1.1 defines it."""
    if len(entries) == 1:
        return []
    half = _largest_power_below(len(entries))
    if index < half:
        return [*naive_path(entries[:half], index), naive_root(entries[half:])]
    return [*naive_path(entries[half:], index - half), naive_root(entries[:half])]


def naive_consistency(entries: Sequence[bytes], old: int, *, known: bool = True) -> list[bytes]:
    """Compute the consistency proof as RFC 6962, section 2.1.2 defines it."""
    if old == len(entries):
        return [] if known else [naive_root(entries)]
    half = _largest_power_below(len(entries))
    if old <= half:
        return [*naive_consistency(entries[:half], old, known=known), naive_root(entries[half:])]
    return [*naive_consistency(entries[half:], old - half, known=False), naive_root(entries[:half])]


class TestRoot:
    """MTH(D[n]) = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n])), k the largest power of two below n (RFC 6962, 2.1)."""

    @given(entries=st.lists(st.binary(max_size=40), max_size=80))
    def test_is_the_one_defined(self, entries: list[bytes]) -> None:
        """The root grown leaf by leaf is the root defined top down."""
        assert root([leaf_hash(entry) for entry in entries]) == naive_root(entries)

    @given(leaves=leaf_lists, cuts=st.lists(st.integers(0, 70), max_size=5))
    def test_does_not_depend_on_batches(self, leaves: list[bytes], cuts: list[int]) -> None:
        """However entries are batched, frontier and root come out the same."""
        frontier: list[bytes] = []
        places = [0, *sorted(min(cut, len(leaves)) for cut in cuts), len(leaves)]
        for start, end in itertools.pairwise(places):
            frontier = append(frontier, start, leaves[start:end])

        assert frontier == append([], 0, leaves)
        assert len(frontier) == len(leaves).bit_count()
        assert root_of(frontier) == root(leaves)

    def test_known_answers(self) -> None:
        """Roots of the empty tree and of the first trees over the reference entries of RFC 6962 implementations."""
        entries = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43"]

        assert root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        assert root([leaf_hash(b"")]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        assert root(list(map(leaf_hash, entries))).hex() == (
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"
        )


class TestInclusion:
    """An audit path proves that a leaf is in the tree of a root at its place, and proves nothing else."""

    @given(leaves=leaf_lists, data=st.data())
    def test_is_the_one_defined_and_holds(self, leaves: list[bytes], data: st.DataObject) -> None:
        """Every leaf has the path the RFC defines, and it verifies."""
        index = data.draw(st.integers(0, len(leaves) - 1))
        proof = inclusion_proof(leaves, index)

        assert proof == naive_path([str(number).encode() for number in range(len(leaves))], index)
        assert verify_inclusion(leaves[index], index, len(leaves), proof, root(leaves))

    @given(leaves=leaf_lists, data=st.data())
    @settings(max_examples=200)
    def test_nothing_else_holds(self, leaves: list[bytes], data: st.DataObject) -> None:
        """Another leaf, place, root, or any change of the path is refused."""
        index = data.draw(st.integers(0, len(leaves) - 1))
        proof = inclusion_proof(leaves, index)
        other = data.draw(st.integers(-1, len(leaves) + 1).filter(lambda number: number != index))

        assert not verify_inclusion(leaf_hash(b"other"), index, len(leaves), proof, root(leaves))
        assert not verify_inclusion(leaves[index], other, len(leaves), proof, root(leaves))
        assert not verify_inclusion(leaves[index], index, len(leaves), proof, root([*leaves, leaves[0]]))
        assert not verify_inclusion(leaves[index], index, len(leaves), [*proof, bytes(32)], root(leaves))
        for place in range(len(proof)):
            cut = [*proof[:place], *proof[place + 1 :]]
            changed = [*proof[:place], bytes(32), *proof[place + 1 :]]
            assert not verify_inclusion(leaves[index], index, len(leaves), cut, root(leaves))
            assert not verify_inclusion(leaves[index], index, len(leaves), changed, root(leaves))


class TestConsistency:
    """A consistency proof shows that a smaller tree is a beginning of a larger one, and holds for no other."""

    @given(leaves=leaf_lists, data=st.data())
    def test_is_the_one_defined_and_holds(self, leaves: list[bytes], data: st.DataObject) -> None:
        """Every beginning has the proof the RFC defines, and it verifies."""
        old = data.draw(st.integers(1, len(leaves)))
        proof = consistency_proof(leaves, old)

        assert proof == naive_consistency([str(number).encode() for number in range(len(leaves))], old)
        assert verify_consistency(old, len(leaves), root(leaves[:old]), root(leaves), proof)

    @given(leaves=leaf_lists, data=st.data())
    @settings(max_examples=200)
    def test_a_rewritten_log_is_not_consistent(self, leaves: list[bytes], data: st.DataObject) -> None:
        """A log with one earlier entry changed is a continuation of none, by its own proof or by the true one."""
        old = data.draw(st.integers(1, len(leaves)))
        place = data.draw(st.integers(0, old - 1))
        rewritten = [*leaves[:place], leaf_hash(b"rewritten"), *leaves[place + 1 :]]
        remembered = root(leaves[:old])

        for proof in (consistency_proof(rewritten, old), consistency_proof(leaves, old)):
            assert not verify_consistency(old, len(leaves), remembered, root(rewritten), proof)

    @given(leaves=leaf_lists, data=st.data())
    def test_any_change_of_the_proof_is_refused(self, leaves: list[bytes], data: st.DataObject) -> None:
        """A proof with a hash changed, left out or added, or between other sizes' roots, does not hold."""
        old = data.draw(st.integers(1, len(leaves)))
        proof = consistency_proof(leaves, old)
        roots = root(leaves[:old]), root(leaves)

        assert not verify_consistency(old, len(leaves), *roots, [*proof, bytes(32)])
        assert not verify_consistency(0, len(leaves), *roots, proof)
        assert not verify_consistency(len(leaves) + 1, len(leaves), *roots, proof)
        for place in range(len(proof)):
            cut = [*proof[:place], *proof[place + 1 :]]
            changed = [*proof[:place], bytes(32), *proof[place + 1 :]]
            assert not verify_consistency(old, len(leaves), *roots, cut)
            assert not verify_consistency(old, len(leaves), *roots, changed)
