"""The part of the page on single clips: what they look like, sound like and scored."""

from __future__ import annotations

from asd.report.axes import short
from asd.report.markup import Child, Markup, element, joined
from asd.report.material import Material, ShownClip
from asd.report.media import png_uri, spectrogram_uris, wav_uri
from asd.report.page.pieces import figure, grid, note
from asd.report.results import Key
from asd.report.scores import ANOMALY, NORMAL

_SILENT = "the recording is gone, or the sounds of other clips have filled this file"
_WORDS = {NORMAL: "normal", ANOMALY: "anomalous"}


def clips_part(material: Material, key: Key) -> Markup | None:
    """Return the clips of one section that are worth a look and a listen."""
    shown = [clip for clip in material.clips.get(key[0], ()) if clip.choice.key == key]
    if not shown:
        return None
    pictures = iter(spectrogram_uris([c.picture for c in shown if c.picture is not None]))
    cards = [_card(clip, next(pictures) if clip.picture is not None else None) for clip in shown]
    system = material.clips_of.get(key[0], "")
    heading = f"Clips that stand out for system {system}"
    silent = sum(clip.sound is None for clip in shown)
    said = note(f"{silent} without sound: {_SILENT}.") if silent else None
    reasons = [_reason(clip) for clip in shown if clip.reason is not None]
    return joined(element("h4", heading), grid(*cards), *reasons, said)


def _reason(clip: ShownClip) -> Markup:
    """Return which parts of a clip make its score, beside the nearest normal clip."""
    name = clip.choice.name
    alt = (
        f"{name} and the nearest normal clip as log-mel spectrograms, their difference, and how far"
        " the score falls when a part is replaced by that of the normal clip"
    )
    picture = element("img", src=png_uri(clip.reason or b""), alt=alt, class_="reason")
    return figure(f"Why {name} scores high", picture)


def _card(clip: ShownClip, picture: str | None) -> Markup:
    choice = clip.choice
    tag = element(
        "span", _WORDS.get(choice.label, "unlabelled"), class_=f"tag {choice.label}".strip()
    )
    what: list[Child] = [element("p", element("strong", choice.why), class_="why")]
    if picture is not None:
        alt = f"Log-mel spectrogram of {choice.name}, {clip.seconds:.1f} s, low frequencies below"
        what.append(element("img", src=picture, alt=alt, width=320, height=128))
    if clip.sound is not None:
        source = wav_uri(clip.sound.samples, clip.sound.sample_rate)
        label = f"Sound of {choice.name}"
        what.append(
            element("audio", controls=True, preload="metadata", src=source, aria_label=label)
        )
    facts: list[tuple[str, Child]] = [
        ("Clip", element("code", choice.name)),
        ("Truth", joined(tag, f" {choice.domain} domain" if choice.domain else "")),
        ("Score", f"{short(choice.score)}, rank {choice.rank} of its section"),
    ]
    if choice.called is not None:
        facts.append(("Decision", "anomalous" if choice.called else "normal"))
    if clip.attributes:
        facts.append(("State", clip.attributes.replace(";", ", ").replace("=", " ")))
    listed = [[element("dt", name), element("dd", value)] for name, value in facts]
    return element("figure", what, element("figcaption", element("dl", listed)), class_="clip")
