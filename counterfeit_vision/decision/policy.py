"""From what was found about a listing to one of the four words, and the sentence that says why.

Every rule after the p-value can only take ``suspected`` away, so that none of them adds a false alarm.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..calibration.conformal import review_level
from ..types import Decision, Listing
from ..types.wording import at_most, claim_name, first_few, number, percent, quoted
from .authorised import is_authorised, may_be_authorised, stranger
from .case import Findings
from .gates import why_spared

__all__ = ["Policy"]


@dataclass(frozen=True)
class Policy:
    """``alpha`` is the share of genuine listings that may be ``suspected``; ``costs`` = (of a false accusation, of a
    missed fake).
    """

    alpha: float
    authorised: frozenset[tuple[str | None, str]] = frozenset()
    costs: tuple[float, float] | None = None

    def decide(self, listing: Listing, found: Findings) -> tuple[Decision, str]:
        """The word, and the sentences that name claims and numbers."""
        decision, reason = self._word(listing, found)
        if decision == "suspected" and found.expected is not None and found.risk < found.expected:
            risk, expected = _below(found.risk, found.expected)
            reason += (
                f" It is little like the fakes that were shown: the probability of a fake is {risk}, where {expected} "
                "are expected."
            )
        if decision == "suspected" and may_be_authorised(listing, self.authorised):
            reason += f" {stranger(listing, self.authorised).capitalize()}."
        if decision in ("suspected", "review"):
            reason += self._disagreeing(found)
        if found.turned:
            reason += f" Judged turned the right way round, as the marks lie: {first_few(found.turned)}."
        if found.uncounted:
            few = "too few genuine photos that calibrated make it"
            reason += f" Not counted against it, as {few}: {_names(found.uncounted)}."
        if found.unmade:
            reason += f" Not asked, though it was calibrated, as what it needs is absent here: {_names(found.unmade)}."
        if found.unread:
            reason += f" {number(found.unread, 'more photo')} of it could not be read"
            reason += ", so nothing can be said of all of it." if decision == "clear" else "."
            decision = "insufficient_evidence" if decision == "clear" else decision
        if found.shown:
            reason += " All that it shows was calibrated with, so its p-value is not that of a new listing."
        if found.stale:
            reason += " Stale: the catalogue is not the one that was calibrated with, so none of this is promised."
        return decision, reason

    def _word(self, listing: Listing, found: Findings) -> tuple[Decision, str]:
        nothing = _nothing_known(found)
        if nothing is not None:
            return nothing
        official = is_authorised(listing, self.authorised)
        grey = self._grey_market(listing, found, official)
        if found.p_value <= self.alpha:
            return self._word_at_alarm(found, official, grey)
        return self._word_below_alarm(found, official, grey)

    def _word_at_alarm(self, found: Findings, official: bool, grey: str | None) -> tuple[Decision, str]:
        """The word on a listing whose p-value reaches alpha: suspected, unless a rule sends it to a person."""
        copied, share, leading = _copied(found), self._share(found), self._leading(found)
        if official:
            return "review", f"{copied}{share}, but the seller is authorised, so a person decides; {leading}."
        if found.catalogued:
            return "review", (
                f"{copied}All that it shows is in the catalogue, and no photo of the catalogue calibrates: how "
                "usual that is for genuine listings is not known, so a person decides."
            )
        if grey:
            return "review", f"{share}, but for the price alone. {grey}"
        if (why := why_spared(found, self.alpha)) is not None:
            return "review", f"{copied}{share}, but {why}; {leading}."
        if self.costs is not None and found.risk < (least_risk := self.costs[0] / sum(self.costs)):
            risk, least = _below(found.risk, least_risk)
            return "review", (
                f"{copied}{share}, but the probability of a fake is {risk}, and the costs ask for {least} before "
                f"accusing; {leading}."
            )
        return "suspected", f"{copied}{share} (alarm level {100 * self.alpha:g} %); {leading}."

    def _word_below_alarm(self, found: Findings, official: bool, grey: str | None) -> tuple[Decision, str]:
        """The word on a listing whose p-value does not reach alpha."""
        share, leading = self._share(found), self._leading(found)
        unusual = found.p_value <= review_level(self.alpha)
        if found.copy and (found.fake or not official):
            return "review", f"{_copied(found)}{share}; {leading}."
        # They conflict where all together find nothing unusual. Being unlike the catalogue is no sign of a fake: what
        # is too unlike is not known.
        wrong = {name: p for name, p in found.alone.items() if name != "similarity"}
        name, p = min(wrong.items(), key=lambda claim: claim[1], default=("", 1.0))
        if wrong and not unusual and p * found.photos <= self.alpha / len(wrong):  # the smallest of all photos
            alone = f"{claim_name(name)} alone would raise an alarm (p {p:.3g})"
            together = f"{share[0].lower()}{share[1:]}"
            if 0 < found.most < found.photos:  # more than any that calibrated: no claims need conflict
                return "insufficient_evidence", (
                    f"It has {found.photos} photos, and no listing that calibrated has more than {found.most}, so "
                    f"that each counts for less: {alone}, but {together}. A person has to look; calibrate with "
                    "such listings."
                )
            return "insufficient_evidence", (
                f"The claims conflict: {alone}, but all together are usual: {together}. A person has to look."
            )
        if grey:
            return "review", f"{share}. {grey}"
        if unusual:
            return "review", f"{share}: unusual, but not beyond the alarm level of {100 * self.alpha:g} %; {leading}."
        if found.unmarked and found.misnamed and not found.copy:
            return "insufficient_evidence", (
                f"The listing names {quoted(found.misnamed)}, but it looks most like {found.product} of {found.brand}, "
                "and the marks that were looked for are on no photo: the goods, or this side of them, may not be "
                "catalogued, so nothing can be said. A photo of the marks would tell, or such photos in the catalogue."
            )
        unmarked = " Its marks were found on no photo, so they were not compared." if found.unmarked else ""
        return "clear", f"{share}: within what genuine photos show; {leading}.{unmarked}"

    def _share(self, found: Findings) -> str:
        """How many genuine listings look as unusual, as the beginning of a sentence."""
        share = at_most(found.p_value, self.alpha)
        return f"At most {share} % of genuine listings look this unusual, on average over calibrations"

    def _leading(self, found: Findings) -> str:
        """What is said of the strongest claim: also how it comes that a listing is beyond the alarm level where that
        claim is not.
        """
        name, p = next(iter(found.claims.items()), ("no claim", 1.0))
        told = f"the strongest claim is {claim_name(name)} (p {p:.3g})"
        if found.claims and found.p_value <= self.alpha < p:
            rarest, least = min(found.claims.items(), key=lambda claim: claim[1])
            of_which = "" if found.photos == 1 else " of its most unusual photo"
            told += (
                f"; by itself {claim_name(rarest)} is more unusual (p {least:.3g})"
                if least <= self.alpha
                else f"; no claim{of_which} reaches the alarm level by itself, but all together do"
            )
        return told

    def _disagreeing(self, found: Findings) -> str:
        """A sentence for a listing that is unusual where not all of its photos are: who looks has to look at which."""
        odd = [name for name, p in found.each.items() if p <= self.alpha]
        usual = [name for name, p in found.each.items() if p > review_level(self.alpha)]
        if not odd or not usual or found.p_value > review_level(self.alpha):
            return ""
        return (
            f" Ranked one by one, its photos disagree (beyond the alarm level: {first_few(odd)}; usual: "
            f"{first_few(usual)}): they may show other sides or other items, or the difference may be the photo's."
        )

    def _grey_market(self, listing: Listing, found: Findings, official: bool) -> str | None:
        """Looks genuine, by no copied photo, is priced as none of the genuine ones, and is not sold by one of the
        authorised sellers.
        """
        price = found.claims.get("price")
        if found.copy or not self.authorised or official or price is None or found.unpriced is None:
            return None
        # Few priced listings allow no rank this low: the tail tells it, as a rule that only spares needs no proof. Up
        # to the level of a review: its least mean excess keeps it above alpha where a price half the usual accuses
        tail = found.alone.get("price", 1.0) if found.p_value <= self.alpha else 1.0
        usual = price > self.alpha and tail > review_level(self.alpha)
        price = min(price, tail)
        if usual or found.unpriced <= review_level(self.alpha):
            return None
        return (
            f"Grey market, perhaps: it looks genuine (without the price, up to {at_most(found.unpriced)} % of genuine "
            f"listings look as unusual), {stranger(listing, self.authorised)}, and the price is out of range "
            f"(p {price:.3g})."
        )


def _nothing_known(found: Findings) -> tuple[Decision, str] | None:
    """The word where no claim counts, or the catalogue does not know what is shown; ``None`` elsewhere."""
    if found.silent is not None:
        told = "No claim that counts has anything to go on, so nothing can be said."
        return "review" if found.fake else "insufficient_evidence", f"{_copied(found)}{told} {found.silent}".rstrip()
    if not found.known and found.marked:
        return "insufficient_evidence", (
            "Marks of the catalogue, or what surrounds them, are on a photo, but it looks too little like one "
            f"product (nearest: {found.product}) to tell which: nothing can be said unless the listing names it. Where "
            "many listings of catalogued goods end so, calibrate with photos as listings show them, not studio photos."
        )
    if not found.known:
        return "insufficient_evidence", (
            f"No photo looks enough like anything in the catalogue (nearest: {found.product}): nothing can be said."
        )
    return None


def _copied(found: Findings) -> str:
    """The sentence about a proven copy, with a blank behind it; empty where none is proven."""
    return f"{found.copy} " if found.copy else ""


def _names(claims: Iterable[str]) -> str:
    return ", ".join(map(claim_name, claims))


def _below(probability: float, level: float) -> tuple[str, str]:
    """A probability and the level that it is below, as pages quote them; where they read alike, the level in digits.

    >>> _below(0.0003, 0.5), _below(0.4951, 0.5), _below(1e-9, 0.002)
    (('below 1 %', '50 %'), ('below 50 %', '50 %'), ('below 0.2 %', '0.2 %'))
    """
    told, asked = percent(probability), percent(level)
    plain = f"{100 * level:g} %"
    return (f"below {plain}", plain) if told == asked else (told, asked)
