"""Why a listing whose p-value reaches alpha goes to a person all the same.

Each rule looks at one thing that makes genuine goods look unusual, too, and gives what follows "but" in the sentence
for people, or ``None``. The first that gives anything is told. A rule can only spare, so none needs a proof.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..calibration.support import COVERED
from ..types.wording import percent
from .case import Findings

__all__ = ["ABOUT_GOODS", "why_spared"]

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


@dataclass(frozen=True)
class _Alarm:
    """What was found about a listing whose p-value reaches ``alpha``."""

    found: Findings
    alpha: float

    @property
    def accusing(self) -> str:
        """The strongest claim, but no price that raises no alarm beside a usual photo: then what may excuse the photo
        counts.
        """
        passed = "price" if self.found.unshown > self.alpha else ""
        return next((name for name in self.found.claims if name != passed), "no claim")

    @property
    def of_marks(self) -> bool:
        """Whether the marks on the photo raise it. On a copy they are the catalogue's own."""
        return self.accusing in ABOUT_MARKS and not self.found.copied

    @property
    def of_hidden_marks(self) -> bool:
        """Whether marks raise it that may be hidden: a hand or a shadow seldom makes goods look like another's."""
        return self.of_marks and not self.found.misnamed

    @property
    def usual_light(self) -> tuple[float, float]:
        """How ``uneven`` and how ``shaded`` genuine photos of such goods are at most, where many of them are."""
        return self.found.usual.light.get(self.found.kind, (0.0, 0.0))


def why_spared(found: Findings, alpha: float) -> str | None:
    """What may excuse a listing whose p-value reaches ``alpha``, as a part of a sentence; ``None`` for nothing."""
    alarm = _Alarm(found, alpha)
    return next((why for rule in RULES if (why := rule(alarm)) is not None), None)


def _small(alarm: _Alarm) -> str | None:
    """Its photo is much smaller than all that calibrated, and small photos hide details."""
    side, smallest = alarm.found.quality.side, alarm.found.usual.smallest
    if side >= SMALLER * smallest:
        return None
    return (
        f"its photo has {side} pixels on the long side, and those that calibrated have {smallest} or more: how genuine "
        "goods look on such small photos is not known"
    )


def _covered(alarm: _Alarm) -> str | None:
    """A hand or a tag lies over its marks, or they glare."""
    covered = alarm.found.quality.covered
    if not alarm.of_hidden_marks or covered < COVERED:
        return None
    return (
        f"something may lie over its marks or before them: {percent(covered)} of the ground around them is like "
        "nothing on genuine photos, or of their place glares. What that does to genuine marks is not known, so a "
        "person decides: ask for a photo in even light with nothing over the marks"
    )


def _shadow_on_marks(alarm: _Alarm) -> str | None:
    """A shadow lies around its marks, of more than is usual for such goods."""
    uneven, (most, _) = alarm.found.quality.uneven, alarm.usual_light
    if not alarm.of_hidden_marks or uneven < COVERED or uneven <= most:
        return None
    return (
        f"a shadow may lie on its marks: {percent(uneven)} of the ground around them is unevenly lit{_usually(most)}. "
        "What that does to genuine marks is not known, so a person decides: ask for a photo in even light"
    )


def _shadow_on_side(alarm: _Alarm) -> str | None:
    """A shadow lies on the side that bears its marks, and what is drawn there raised the alarm."""
    shaded, (_, most) = alarm.found.quality.shaded, alarm.usual_light
    if not alarm.of_hidden_marks or alarm.accusing not in ABOUT_SIDE or shaded < COVERED or shaded <= most:
        return None
    return (
        f"a shadow may lie on the goods, whose edge looks like something drawn: {percent(shaded)} of the plain ground "
        f"of the side that bears the marks is unevenly lit{_usually(most)}, so a person decides: ask for a photo in "
        "even light"
    )


def _blurred(alarm: _Alarm) -> str | None:
    """Its marks are more blurred than on nearly all photos that calibrated."""
    sharpness, dull = alarm.found.quality.sharpness, alarm.found.usual.dull
    if not alarm.of_marks or sharpness is None or sharpness >= BLURRED * dull:
        return None
    return (
        f"its photo shows the marks {sharpness:.2f} times as sharply as the catalogue's do, where about nineteen in "
        f"twenty that calibrated do {dull:.2f} times or more. What so much blur does to genuine marks is not known, so "
        "a person decides: ask for a sharp photo"
    )


def _sharpened(alarm: _Alarm) -> str | None:
    """Its marks are sharper than on nearly all photos that calibrated."""
    sharpness, keen = alarm.found.quality.sharpness, alarm.found.usual.keen
    if not alarm.of_marks or sharpness is None or not sharpness > SHARPENED * keen > 0:
        return None
    return (
        f"its photo shows the marks {sharpness:.2f} times as sharply as the catalogue's do, where about nineteen in "
        f"twenty that calibrated do {keen:.2f} times or less: a phone or a shop may have sharpened it, which draws "
        "lines around genuine marks, too, so a person decides: ask for the photo as the camera took it"
    )


def _compressed(alarm: _Alarm) -> str | None:
    """Its photo has few grey levels, as after a strong compression."""
    steps, stepped = alarm.found.quality.steps, alarm.found.usual.stepped
    if not alarm.of_marks or steps <= max(STEPPED, stepped):
        return None
    return (
        f"its photo was compressed much, or has few colours: {percent(steps)} of the plain ground around the marks is "
        "of grey levels with none between them, where about nineteen in twenty that calibrated have "
        f"{percent(max(stepped, 0.01))} or less. What that does to genuine marks is not known, so a person decides: "
        "ask for the photo as the camera took it"
    )


def _noisy(alarm: _Alarm) -> str | None:
    """Its photo is noisier than nearly all that calibrated."""
    grain, grainy = alarm.found.quality.grain, alarm.found.usual.grainy
    if not alarm.of_marks or not grain > GRAINY * grainy > 0:
        return None
    return (
        f"its photo is noisy: the plain ground around the marks is {grain:.2f} times as noisy as on the catalogue's, "
        f"where about nineteen in twenty that calibrated are {grainy:.2f} times or less. What that does to genuine "
        "marks is not known, so a person decides: ask for a photo in good light"
    )


def _uncatalogued(alarm: _Alarm) -> str | None:
    """It shows goods that the catalogue may lack, by their colours."""
    found = alarm.found
    if alarm.accusing not in ABOUT_GOODS or found.unlike < 1 or found.copied or found.misnamed:
        return None
    return (
        "beside their marks these goods are coloured otherwise than each near product of the catalogue. They may be "
        "another product, colour or edition that the catalogue lacks, or a fake that copies none, so a person decides: "
        "complete the catalogue"
    )


def _joint_edition(alarm: _Alarm) -> str | None:
    """It shows goods of two brands, which the catalogue may lack."""
    found = alarm.found
    if alarm.accusing != "product" or not found.joint or found.copied:
        return None
    return (
        f"its photo bears the marks of {found.brand} and the name of {found.joint}: a joint edition that the catalogue "
        f"lacks, or goods of {found.brand} that are sold as {found.joint}'s, so a person decides: complete the "
        "catalogue with such goods, under both brands"
    )


def _by_little(alarm: _Alarm) -> str | None:
    """It is less unusual than one genuine photo in twenty where photos vary."""
    evidence = alarm.found.evidence
    if not alarm.of_marks or alarm.alpha > LITTLE_AT or evidence is None or evidence >= LITTLE:
        return None
    return (
        "by little: where cameras and light vary, one genuine photo in twenty is as unusual (its statistic is "
        f"{evidence:.2f}, theirs {LITTLE:g} and more), and those that calibrated are more alike. A phone that "
        "sharpens, or a shop that saves photos anew, changes genuine photos as much, so a person decides: calibrate "
        "with photos as sellers show them"
    )


RULES = (
    _small,
    _covered,
    _shadow_on_marks,  # before blur: a shadow's edge is soft, and is told as what it is
    _shadow_on_side,
    _blurred,
    _sharpened,
    _compressed,
    _noisy,
    _uncatalogued,
    _joint_edition,
    _by_little,
)


def _usually(most: float) -> str:
    """How much of such shadows genuine photos that calibrated have, after what is said of another; empty where none."""
    return f", where nine in ten that calibrated have {percent(most)} at most" if most else ""
