"""The books of the weights on one device: who fills them, who maps them, who may write into their side columns."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from engine.vault.device_memory import rounded
from engine.vault.device_place import Place
from engine.vault.holdings import Holding, Refusal

User = object  # a client of the vault; compared by identity


@dataclass(eq=False)
class Weights:
    """`holding.fingerprint` is empty until they are filled. `claimed_by` may write into their side columns."""

    holding: Holding
    filler: User | None
    users: set[User] = field(default_factory=set)
    claimed_by: User | None = None


class DeviceWeights:
    """Least recently used first. Memory that a dead worker had not finished filling is freed with its connection."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.held: OrderedDict[str, Weights] = OrderedDict()

    def find(self, key: str, size: int, user: User) -> Weights | None:
        """The weights, now mapped by `user` too; None: there are none. Refuses while another fills them."""
        if size <= 0:
            raise Refusal("bad_request", f"weights of {size} bytes.")
        held = self.held.get(key)
        if held is None:
            return None
        if held.filler is not None:
            raise Refusal("being_filled", "another worker is loading these weights.", can_retry=True)
        if held.holding.bytes != size:
            raise Refusal("bad_request", f"these weights have {held.holding.bytes} bytes, not {size}.")
        held.users.add(user)
        self.held.move_to_end(key)
        return held

    def add(self, key: str, holding: Holding, user: User) -> None:
        """New ones, for `user` to fill."""
        self.held[key] = Weights(holding, user, {user})

    def seal(self, key: str, fingerprint: str, user: User) -> None:
        """`user` has filled them."""
        held = self.held.get(key)
        if held is None or held.filler is not user or not fingerprint:
            raise Refusal("bad_request", "these weights are not this client's to seal.")
        held.filler, held.holding.fingerprint = None, fingerprint

    def drop(self, key: str) -> None:
        """Nobody gets these any more; who maps them keeps them."""
        held = self.held.pop(key, None)
        if held is not None:
            self.place.free(held.holding.descriptor)

    def claim(self, key: str, is_claimed: bool, user: User) -> None:
        """The right to write side columns, taken or given back."""
        held = self.held.get(key)
        if held is None or user not in held.users:
            raise Refusal("bad_request", "these weights are not mapped by this client.")
        if not is_claimed:
            held.claimed_by = None if held.claimed_by is user else held.claimed_by
        elif held.claimed_by not in (None, user):
            raise Refusal("claimed", "another worker has an adapter attached to these weights.", can_retry=True)
        else:
            held.claimed_by = user

    def forget(self, user: User) -> None:
        """A client is gone: what it was filling is worth nothing, the rest may be let go of."""
        for key, held in list(self.held.items()):
            held.users.discard(user)
            held.claimed_by = None if held.claimed_by is user else held.claimed_by
            if held.filler is user:
                self.drop(key)

    @property
    def idle(self) -> list[str]:
        """What nobody maps."""
        return [key for key, held in self.held.items() if not held.users]

    @property
    def idle_bytes(self) -> int:
        """What letting go of those would free."""
        return sum(rounded(self.held[key].holding.bytes) for key in self.idle)
