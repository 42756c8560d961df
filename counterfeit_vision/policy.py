"""From what was found about a listing to one of the four words, and the sentence that says why.

Every rule after the p-value can only take ``suspected`` away, so that none of them adds a false alarm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from .errors import InputError
from .lookalikes import folded
from .quality import COVERED, Quality, UsualQuality
from .types import Decision, Listing, Seller, composed
from .wording import at_most, claim_name, first_few, number, percent, quoted

__all__ = ["Authorised", "Findings", "Policy", "is_authorised", "may_be_authorised", "pairs", "review_level"]

REVIEW_FACTOR = 3  # up to this many times alpha a listing goes to a person
MOST_REVIEWED = 1 / 2  # of genuine listings: those more usual than half of them are clear, whatever alpha is
SMALLER = 1 / 2  # of the smallest photo that calibrated: how unusual genuine goods look on a smaller one nobody knows
BLURRED = 0.9  # of the sharpness of photos that calibrated, but for one in twenty: chosen on printed goods of seed 155
# The same, of a photo that a phone or a shop sharpened: chosen on printed goods of seed 194, where 20 of 20 genuine
# photos under a strong unsharp mask were suspected, which are 1.09 and more where those that calibrated are 1.07 at
# most. Of 253 fakes suspected of eight kinds of goods and on three markets one is so sharp, and its price leads
SHARPENED = 1.05
# Share of the ground around the marks whose grey levels stand alone, as after a strong compression or in few colours:
# chosen on printed goods of seed 194 and market 366, where genuine photos saved at JPEG quality 12 have 0.8 and more,
# and half of the market's 0.35; of unedited ones, fakes and those saved at quality 60 none has more than 0.02
STEPPED = 0.2
# Of the noise on that ground of photos that calibrated, but for one in twenty: chosen on the same, where printed ones
# with noise of 14 levels have 2.2 times as much and more, and fakes 1.3 times at most
GRAINY = 1.5
# The statistic of one photo, the log of its mean evidence: less than what one genuine photo in twenty has on rendered
# markets, whose cameras and light vary (0.6 to 0.9 on nine). Where all that calibrated were photographed alike it may
# be 0.2, and mild sharpening, local contrast or saving anew gives genuine photos as much: of 240 such on printed goods
# of seeds 183 and 184, 94 were suspected, and 29 are with it. Alphas above that twentieth ask for more. (Chosen as 0.7
# where the price counted twice: the same, of a photo without one.)
LITTLE, LITTLE_AT = 0.54, 1 / 20
ABOUT_MARKS = ("mark", "look", "patches", "strokes", "ink", "layout", "wordmark", "drawing", "pattern", "colours")
ABOUT_SIDE = ("drawing", "pattern", "colours")  # claims about all of the side that bears them
ABOUT_GOODS = (*ABOUT_MARKS, "product", "similarity")

Authorised: TypeAlias = "Seller | str | tuple[str | None, Seller | str]"
"""A seller that a brand has authorised: (platform, the platform's verified id), or an id where no platform is named. A
:class:`~counterfeit_vision.types.Seller` tells an id and what the shop is called.
"""


@dataclass(frozen=True)
class Findings:
    """What the decision about a listing rests on.

    - ``p_value`` and ``risk`` of the listing, which has so many ``photos``; ``most`` are those of the largest listing
      that calibrated, 0 where that is not known. ``evidence``: the statistic of its most unusual photo; ``None`` where
      labelled fakes say what that means.
    - ``claims``: the p-values of those that apply to its most unusual photo, the strongest claim first.
    - ``silent``: why none of its photos has a claim that counts; ``None`` where one has.
    - ``known``: whether the catalogue knows what it shows; ``product`` is the nearest, and ``brand`` that one's.
    - ``marked``: whether marks of the catalogue are on a photo, known or not; ``unmarked``: whether those of what it
      shows are known, and they and what surrounds them were looked for in vain.
    - ``misnamed``: what it claims, a product or a brand, where no photo of it looks most like one of that brand.
    - ``copy``: a sentence that names the photo of which one of its photos is a proven copy, if one is; ``fake``:
      whether that is of a proven fake; ``copied``: whether its most unusual photo is a copy; ``catalogued``: whether
      all that it shows are the very files of the catalogue's genuine photos.
    - ``unpriced``: its p-value with the price left out; ``None`` without a price claim or authorised sellers.
    - ``quality``: how well its most unusual photo, which was taken for that ``kind`` of goods, shows them; ``usual``:
      how well those that calibrated do.
    - ``unlike``: how far the goods on that photo are others than each near product, their marks left out; from 1 the
      catalogue may lack them.
    - ``joint``: the claimed brand, where that photo looks more like goods of ``brand``, and bears their marks and the
      claimed brand's name; empty elsewhere.
    - ``turned``: what its photos are called that were given the wrong way round, and how, and were judged turned.
    - ``expected``: the share of fakes that is expected, where ``risk`` is a probability; ``None`` where it is none.
    - ``uncounted``: claims that it makes and too few genuine photos that calibrated did.
    - ``unmade``: claims that genuine photos that calibrated made and that cannot be made here.
    - ``unread``: how many more photos it has, which could not be read.
    - ``stale``: whether it was calibrated on another generation of the catalogue. ``shown``: whether the files of
      all photos that it is ranked by were calibrated with.
    - ``alone``: the share of genuine photos as unusual by each claim of that photo, by the tail of what is usual: by
      rank among a few dozen photos none is small enough to conflict with the others.
    - ``each``: the p-values of the seller's own photos, ranked one by one, by what they are called ("photo 2").
    """

    p_value: float
    risk: float
    claims: Mapping[str, float]
    known: bool
    product: str
    kind: str
    quality: Quality
    usual: UsualQuality
    silent: str | None = None
    photos: int = 1
    most: int = 0
    evidence: float | None = None
    brand: str = ""
    marked: bool = False
    unmarked: bool = False
    misnamed: str | None = None
    copy: str | None = None
    fake: bool = False
    copied: bool = False
    catalogued: bool = False
    unpriced: float | None = None
    unlike: float = 0.0
    joint: str = ""
    turned: tuple[str, ...] = ()
    expected: float | None = None
    uncounted: tuple[str, ...] = ()
    unmade: tuple[str, ...] = ()
    unread: int = 0
    stale: bool = False
    shown: bool = False
    alone: Mapping[str, float] = field(default_factory=dict)
    each: Mapping[str, float] = field(default_factory=dict)


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
            reason += f" {_stranger(listing, self.authorised).capitalize()}."
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
        copied, share, (_, leading) = _copied(found), self._share(found), self._leading(found)
        name = self._accusing(found)
        shown, usual = found.quality, found.usual
        if official:
            return "review", f"{copied}{share}, but the seller is authorised, so a person decides; {leading}."
        if found.catalogued:
            return "review", (
                f"{copied}All that it shows is in the catalogue, and no photo of the catalogue calibrates: how "
                "usual that is for genuine listings is not known, so a person decides."
            )
        if grey:
            return "review", f"{share}, but for the price alone. {grey}"
        if shown.side < SMALLER * usual.smallest:
            return "review", (
                f"{copied}{share}, but its photo has {shown.side} pixels on the long side, and those that "
                f"calibrated have {usual.smallest} or more: how genuine goods look on such small photos is not "
                f"known; {leading}."
            )
        about_marks = name in ABOUT_MARKS and not found.copied
        hidden = about_marks and not found.misnamed  # a hand or a shadow seldom makes goods look like another's
        if hidden and shown.covered >= COVERED:
            return "review", (
                f"{copied}{share}, but something may lie over its marks or before them: {percent(shown.covered)} of "
                "the ground around them is like nothing on genuine photos, or of their place glares. What that does to "
                "genuine marks is not known, so a person decides: ask for a photo in even light with nothing over the "
                f"marks; {leading}."
            )
        uneven, shaded = usual.light.get(found.kind, (0.0, 0.0))
        if hidden and shown.uneven >= COVERED and shown.uneven > uneven:
            return "review", (
                f"{copied}{share}, but a shadow may lie on its marks: {percent(shown.uneven)} of the ground around "
                f"them is unevenly lit{_usually(uneven)}. What that does to genuine marks is not known, so a person "
                f"decides: ask for a photo in even light; {leading}."
            )
        if hidden and name in ABOUT_SIDE and shown.shaded >= COVERED and shown.shaded > shaded:
            return "review", (
                f"{copied}{share}, but a shadow may lie on the goods, whose edge looks like something drawn: "
                f"{percent(shown.shaded)} of the plain ground of the side that bears the marks is unevenly lit"
                f"{_usually(shaded)}, so a person decides: ask for a photo in even light; {leading}."
            )
        if about_marks and shown.sharpness is not None and shown.sharpness < BLURRED * usual.dull:
            return "review", (
                f"{copied}{share}, but its photo shows the marks {shown.sharpness:.2f} times as sharply as the "
                f"catalogue's do, where about nineteen in twenty that calibrated do {usual.dull:.2f} times or more. "
                "What so much blur does to genuine marks is not known, so a person decides: ask for a sharp photo; "
                f"{leading}."
            )
        if about_marks and shown.sharpness is not None and shown.sharpness > SHARPENED * usual.keen > 0:
            return "review", (
                f"{copied}{share}, but its photo shows the marks {shown.sharpness:.2f} times as sharply as the "
                f"catalogue's do, where about nineteen in twenty that calibrated do {usual.keen:.2f} times or less: a "
                "phone or a shop may have sharpened it, which draws lines around genuine marks, too, so a person "
                f"decides: ask for the photo as the camera took it; {leading}."
            )
        if about_marks and shown.steps > max(STEPPED, usual.stepped):
            return "review", (
                f"{copied}{share}, but its photo was compressed much, or has few colours: {percent(shown.steps)} of "
                "the plain ground around the marks is of grey levels with none between them, where about nineteen in "
                f"twenty that calibrated have {percent(max(usual.stepped, 0.01))} or less. What that does to genuine "
                f"marks is not known, so a person decides: ask for the photo as the camera took it; {leading}."
            )
        if about_marks and shown.grain > GRAINY * usual.grainy > 0:
            return "review", (
                f"{copied}{share}, but its photo is noisy: the plain ground around the marks is {shown.grain:.2f} "
                "times as noisy as on the catalogue's, where about nineteen in twenty that calibrated are "
                f"{usual.grainy:.2f} times or less. What that does to genuine marks is not known, so a person decides: "
                f"ask for a photo in good light; {leading}."
            )
        if name in ABOUT_GOODS and found.unlike >= 1 and not found.copied and not found.misnamed:
            return "review", (
                f"{copied}{share}, but beside their marks these goods are coloured otherwise than each near product "
                "of the catalogue. They may be another product, colour or edition that the catalogue lacks, or a fake "
                f"that copies none, so a person decides: complete the catalogue; {leading}."
            )
        if name == "product" and found.joint and not found.copied:
            return "review", (
                f"{copied}{share}, but its photo bears the marks of {found.brand} and the name of {found.joint}: a "
                f"joint edition that the catalogue lacks, or goods of {found.brand} that are sold as {found.joint}'s, "
                f"so a person decides: complete the catalogue with such goods, under both brands; {leading}."
            )
        little = found.evidence is not None and found.evidence < LITTLE and self.alpha <= LITTLE_AT
        if about_marks and little:
            return "review", (
                f"{copied}{share}, but by little: where cameras and light vary, one genuine photo in twenty is as "
                f"unusual (its statistic is {found.evidence:.2f}, theirs {LITTLE:g} and more), and those that "
                "calibrated are more alike. A phone that sharpens, or a shop that saves photos anew, changes genuine "
                f"photos as much, so a person decides: calibrate with photos as sellers show them; {leading}."
            )
        if self.costs is not None and found.risk < (least_risk := self.costs[0] / sum(self.costs)):
            risk, least = _below(found.risk, least_risk)
            return "review", (
                f"{copied}{share}, but the probability of a fake is {risk}, and the costs ask for {least} before "
                f"accusing; {leading}."
            )
        return "suspected", f"{copied}{share} (alarm level {100 * self.alpha:g} %); {leading}."

    def _word_below_alarm(self, found: Findings, official: bool, grey: str | None) -> tuple[Decision, str]:
        """The word on a listing whose p-value does not reach alpha."""
        share, (_, leading) = self._share(found), self._leading(found)
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

    def _leading(self, found: Findings) -> tuple[str, str]:
        """The strongest claim, and what is said of it: also how it comes that a listing is beyond the alarm level where
        that claim is not.
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
        return name, told

    def _accusing(self, found: Findings) -> str:
        """The strongest claim, but no price that is not beyond the alarm level by itself: that accuses only beside an
        odd photo, and what may excuse the photo counts. Among few priced listings none ranks low: the tail tells it.
        """
        price = min(found.claims.get("price", 1.0), found.alone.get("price", 1.0))
        return next((name for name in found.claims if name != "price" or price <= self.alpha), "no claim")

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
            f"listings look as unusual), {_stranger(listing, self.authorised)}, and the price is out of range "
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


def _usually(most: float) -> str:
    """How much of such shadows genuine photos that calibrated have, after what is said of another; empty where none."""
    return f", where nine in ten that calibrated have {percent(most)} at most" if most else ""


def _copied(found: Findings) -> str:
    """The sentence about a proven copy, with a blank behind it; empty where none is proven."""
    return f"{found.copy} " if found.copy else ""


def review_level(alpha: float) -> float:
    """The p-value up to which what is no alarm goes to a person.

    >>> review_level(0.01), review_level(0.4)
    (0.03, 0.5)
    """
    return min(REVIEW_FACTOR * alpha, MOST_REVIEWED)


def is_authorised(listing: Listing, authorised: Collection[tuple[str | None, str]]) -> bool:
    """By platform, however its name is typed, and by the id that it has verified, letter for letter, as :func:`pairs`
    gives them: a seller's name proves nothing.
    """
    seller = listing.seller
    return isinstance(seller, Seller) and (_platform(listing), composed(seller.id)) in authorised


def may_be_authorised(listing: Listing, authorised: Collection[tuple[str | None, str]]) -> bool:
    """Whether the seller has an authorised id, and either that or the listing names no platform."""
    ids = {verified for platform, verified in authorised if platform is None or listing.platform is None}
    return isinstance(listing.seller, Seller) and composed(listing.seller.id) in ids


def _stranger(listing: Listing, authorised: Collection[tuple[str | None, str]]) -> str:
    """What is known of a seller that is not :func:`is_authorised`."""
    if not isinstance(listing.seller, Seller):
        return "the seller is not named"
    if (None, composed(listing.seller.id)) in authorised:
        return "the seller, whose authorised id names no platform, is not known to be authorised"
    if listing.platform is None:
        return "the seller, on a platform that is not named, is not known to be authorised"
    return "the seller is not an authorised one"


def _platform(listing: Listing) -> str | None:
    return None if listing.platform is None else folded(listing.platform)


def pairs(sellers: Iterable[Authorised]) -> frozenset[tuple[str | None, str]]:
    """(platform, verified id) of authorised sellers; the platform is ``None`` where none was named.
    Takes what it gives, too.

    >>> sorted(pairs([("bazaar", "brand-store")])), pairs(["brand-store"])
    ([('bazaar', 'brand-store')], frozenset({(None, 'brand-store')}))
    """
    two_texts = isinstance(sellers, tuple) and [type(one) for one in sellers] == [str, str]  # a pair, or two ids?
    listed = isinstance(sellers, Iterable) and not hasattr(sellers, "columns")  # a table's items are its columns' names
    if isinstance(sellers, str | Seller | Mapping) or two_texts or not listed:
        raise InputError(
            f"authorised={sellers!r:.80}: need a list, such as [('bazaar', 'brand-store')] or ['brand-store']"
        )
    found: set[tuple[str | None, str]] = set()
    for seller in sellers:
        platform, one = None, seller
        if isinstance(seller, tuple | list) and len(seller) == 2:  # JSON gives lists
            platform, one = seller
        verified = one.id if isinstance(one, Seller) else one
        texts = (verified,) if platform is None else (platform, verified)
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise InputError(f"authorised={seller!r}: need (platform, the platform's verified id), two texts, or an id")
        found.add((None if platform is None else folded(platform), composed(str(verified))))
    return frozenset(found)


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
