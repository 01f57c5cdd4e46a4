"""The four looks: teacher, student, assistant, presenter."""

from __future__ import annotations

from painting import Canvas, Colour, ellipse, mirrored, mixed, smooth
from portraits import DARK, WHITE, Look


def _shoulders() -> list[tuple[float, float]]:
    return mirrored([(0, 742), (96, 742), (176, 768), (262, 806), (304, 870), (322, 1000), (0, 1000)])


def _box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


# ---- teacher: grey-brown hair to the neck, glasses, cardigan, shelf of books ----------------------------------------


def _library(canvas: Canvas) -> None:
    canvas.fill((206, 214, 208), (184, 194, 190))
    colours = [(150, 92, 80), (92, 122, 138), (190, 160, 104), (112, 138, 112), (168, 118, 98), (122, 108, 142)]
    for row, base in enumerate((210, 440, 670)):
        x, number = -10.0, row
        while x < 650:
            width = 24 + (number * 7) % 15
            height = 120 + (number * 37) % 52
            canvas.shape(_box(x, base - height, x + width - 3, base), mixed(colours[number % 6], WHITE, 0.42))
            x, number = x + width, number + 1
        canvas.shape(_box(0, base, 640, base + 14), (176, 152, 124), (150, 126, 100))
    canvas.shape(_box(0, 0, 640, 960), (214, 220, 214), strength=0.42)


def _bob_behind(canvas: Canvas, hair: Colour) -> None:
    outline = mirrored([(0, 150), (110, 168), (188, 270), (206, 420), (204, 560), (176, 660), (90, 668), (0, 640)])
    canvas.shape(outline, mixed(hair, WHITE, 0.05), mixed(hair, DARK, 0.42))


def _parted_hair(canvas: Canvas, hair: Colour) -> None:
    left = smooth(
        [(352, 158), (252, 168), (158, 260), (134, 400), (150, 520), (176, 420), (212, 342), (300, 276), (372, 222)]
    )
    right = smooth(
        [(338, 164), (420, 180), (484, 268), (508, 400), (490, 520), (470, 410), (440, 330), (392, 262), (356, 216)]
    )
    for side in (right, left):
        canvas.shape(side, mixed(hair, WHITE, 0.16), mixed(hair, DARK, 0.2))
    for shift in (0, 34, 68):
        strand = smooth(
            [(340 - shift * 0.4, 184 + shift * 0.3), (238 - shift * 0.4, 236 + shift), (164, 350 + shift)], closed=False
        )
        canvas.line(strand, 3, mixed(hair, WHITE, 0.32), soft=2, strength=0.55)


def _cardigan(canvas: Canvas) -> None:
    canvas.shape(_shoulders(), (72, 110, 112), (48, 80, 86))
    canvas.shape([(244, 744), (396, 744), (352, 980), (288, 980)], (244, 238, 226), (226, 218, 204))
    canvas.shape(smooth([(246, 738), (320, 800), (394, 738), (320, 756)]), (250, 246, 236), (232, 224, 210))
    for side in (-1, 1):
        edge = [(320 + side * 84, 742), (320 + side * 44, 972)]
        canvas.line(edge, 13, (58, 92, 96))
    for y in (862, 922):
        canvas.shape(ellipse(320, y, 7, 7), (214, 204, 188), (180, 170, 152))


def _glasses(canvas: Canvas) -> None:
    frame = (74, 50, 44)
    for side in (-1, 1):
        x = 320 + side * 71
        outer = smooth([(x - 57, 394), (x, 380), (x + 57, 394), (x + 54, 440), (x, 466), (x - 54, 440)])
        inner = smooth([(x - 51, 398), (x, 386), (x + 51, 398), (x + 48, 437), (x, 459), (x - 48, 437)])
        canvas.shape(inner, WHITE, strength=0.07)
        canvas.ring(outer, inner, frame)
        canvas.line([(320 + side * 126, 404), (320 + side * 158, 412)], 6, frame)
    canvas.line(smooth([(306, 414), (320, 407), (334, 414)], closed=False), 6, frame)


# ---- student: short dark curls, hoodie, sunny room ------------------------------------------------------------------


def _sunny_room(canvas: Canvas) -> None:
    canvas.fill((250, 232, 200), (242, 208, 168))
    canvas.shape(ellipse(110, 190, 210, 210), (255, 246, 222), soft=40, strength=0.8)
    canvas.shape(_box(470, 60, 620, 320), (196, 222, 232), (222, 238, 240))
    for piece in (_box(462, 52, 628, 64), _box(462, 316, 628, 330), _box(462, 52, 474, 330), _box(616, 52, 628, 330),
                  _box(539, 60, 549, 320)):  # fmt: skip
        canvas.shape(piece, (252, 246, 236))
    for angle, length in ((-46, 150), (-20, 190), (6, 170), (30, 140)):
        leaf = smooth([(60, 760), (60 + angle - 16, 760 - length * 0.6), (60 + angle * 1.7, 760 - length),
                       (60 + angle + 18, 760 - length * 0.55)])  # fmt: skip
        canvas.shape(leaf, (110, 158, 108), (84, 130, 88))
    canvas.shape([(14, 752), (110, 752), (96, 860), (28, 860)], (204, 122, 90), (176, 98, 72))


def _curls_behind(canvas: Canvas, hair: Colour) -> None:
    canvas.shape(
        mirrored([(0, 150), (116, 162), (182, 250), (186, 380), (150, 430), (0, 430)]), hair, mixed(hair, DARK, 0.4)
    )


def _curls(canvas: Canvas, hair: Colour) -> None:
    rows = (
        [(166, 320, 32), (156, 366, 25), (474, 320, 32), (484, 366, 25)],
        [(186, 262, 44), (236, 206, 50), (300, 176, 54), (366, 180, 54), (424, 218, 48), (458, 270, 42)],
        [(212, 296, 34), (250, 262, 42), (304, 248, 44), (358, 252, 42), (404, 272, 38), (436, 304, 30)],
    )
    for row in rows:
        for number, (x, y, r) in enumerate(row):
            canvas.shape(
                ellipse(x, y, r, r * 0.94), mixed(hair, WHITE, 0.07 + 0.04 * (number % 2)), mixed(hair, DARK, 0.3)
            )
            arc = smooth(
                [(x - r * 0.5, y + r * 0.1), (x - r * 0.1, y - r * 0.5), (x + r * 0.5, y - r * 0.2)], closed=False
            )
            canvas.line(arc, 3, mixed(hair, WHITE, 0.26), soft=1.5, strength=0.5)


def _hoodie(canvas: Canvas) -> None:
    throat = mirrored([(0, 600), (84, 600), (76, 690), (68, 730), (42, 758), (0, 768)])
    collar = mirrored([(0, 690), (80, 706), (90, 748), (48, 796), (0, 808)])
    hood = mirrored([(0, 690), (104, 694), (170, 744), (120, 812), (0, 850)])
    canvas.shape(_shoulders(), (232, 128, 84), (204, 98, 64), without=throat)
    canvas.shape(hood, (214, 108, 70), (190, 88, 58), without=throat)
    canvas.shape(collar, (250, 244, 236), (228, 220, 210), without=throat)
    for side in (-1, 1):
        cord = [(320 + side * 62, 806), (320 + side * 60, 860), (320 + side * 66, 916)]
        canvas.line(smooth(cord, closed=False), 6, WHITE)


# ---- assistant: black hair in a bun, blazer, office -----------------------------------------------------------------


def _office(canvas: Canvas) -> None:
    canvas.fill((222, 232, 242), (192, 206, 224))
    for x in (-30, 150, 470, 650):
        canvas.shape(_box(x, 40, x + 150, 560), (238, 246, 252), (212, 226, 240), strength=0.85)
    canvas.shape(_box(0, 600, 640, 960), (168, 184, 206), (146, 164, 190))
    canvas.shape(_box(0, 594, 640, 604), (240, 244, 248))


def _bun(canvas: Canvas, hair: Colour) -> None:
    canvas.shape(ellipse(320, 142, 74, 62), mixed(hair, WHITE, 0.14), mixed(hair, DARK, 0.3))
    arc = smooth([(270, 150), (300, 104), (350, 106)], closed=False)
    canvas.line(arc, 4, mixed(hair, WHITE, 0.34), soft=2, strength=0.6)
    canvas.shape(
        mirrored([(0, 160), (106, 178), (172, 270), (176, 420), (150, 480), (0, 480)]), hair, mixed(hair, DARK, 0.3)
    )


def _swept_hair(canvas: Canvas, hair: Colour) -> None:
    cap = smooth([(320, 166), (236, 180), (168, 256), (148, 372), (154, 420), (176, 352), (226, 292), (320, 262),
                  (414, 292), (464, 352), (486, 420), (492, 372), (472, 256), (404, 180)])  # fmt: skip
    canvas.shape(cap, mixed(hair, WHITE, 0.1), mixed(hair, DARK, 0.15))
    for offset in (-96, -58, -20, 20, 58, 96):
        strand = smooth([(320 + offset * 0.5, 182), (320 + offset, 226), (320 + offset * 1.45, 284)], closed=False)
        canvas.line(strand, 3, mixed(hair, WHITE, 0.3), soft=2.2, strength=0.45)


def _blazer(canvas: Canvas) -> None:
    canvas.shape(_shoulders(), (58, 72, 112), (40, 52, 86))
    canvas.shape([(250, 742), (390, 742), (330, 960), (310, 960)], (250, 248, 250), (228, 230, 238))
    for side in (-1, 1):
        lapel = [
            (320 + side * 82, 734),
            (320 + side * 148, 812),
            (320 + side * 118, 834),
            (320 + side * 132, 852),
            (320 + side * 6, 976),
        ]
        canvas.shape(lapel, (74, 90, 134), (50, 64, 102))
        collar = [(320 + side * 80, 728), (320 + side * 96, 760), (320 + side * 44, 812), (320 + side * 4, 772)]
        canvas.shape(collar, WHITE, (232, 234, 242))
    canvas.shape(ellipse(446, 858, 9, 9), (236, 196, 92), (206, 160, 60))


def _headset(canvas: Canvas) -> None:
    grey = (84, 92, 112)
    canvas.shape(smooth([(474, 400), (498, 404), (502, 474), (476, 480)]), (112, 122, 144), grey)
    canvas.line(smooth([(490, 470), (470, 560), (404, 604)], closed=False), 5, grey)
    canvas.shape(ellipse(400, 606, 15, 9), grey, (58, 64, 80))


# ---- presenter: short fair hair, beard shadow, suit, stage ----------------------------------------------------------


def _stage(canvas: Canvas) -> None:
    canvas.fill((98, 80, 148), (58, 48, 100))
    for x, lean, colour in ((90, 150, (200, 160, 255)), (320, 0, (255, 214, 170)), (550, -150, (160, 200, 255))):
        beam = [(x - 18, -20), (x + 18, -20), (x + lean + 150, 960), (x + lean - 150, 960)]
        canvas.shape(beam, colour, (98, 80, 148), strength=0.3)
    for number in range(9):
        x, y, r = 30 + number * 73, 90 + (number * 131) % 260, 5 + (number * 5) % 9
        canvas.shape(ellipse(x, y, r, r), (255, 232, 190), strength=0.55)
    for side in (-1, 1):  # curtains
        for fold in range(3):
            x = 320 + side * (330 - fold * 24)
            edge = [(x - 16, 0), (x + 16, 0), (x + 14 + side * fold * 3, 960), (x - 14 + side * fold * 3, 960)]
            canvas.shape(edge, mixed((142, 44, 78), DARK, 0.1 * fold), mixed((96, 28, 60), DARK, 0.1 * fold))


def _short_behind(canvas: Canvas, hair: Colour) -> None:
    canvas.shape(
        mirrored([(0, 160), (110, 176), (172, 262), (172, 390), (150, 430), (0, 430)]), hair, mixed(hair, DARK, 0.35)
    )


def _quiff(canvas: Canvas, hair: Colour) -> None:
    for side in (-1, 1):
        temple = [(132, 262), (172, 300), (166, 420), (148, 396), (140, 330)]
        temple = smooth([(320 + side * x, y) for x, y in temple])
        canvas.shape(temple, mixed(hair, DARK, 0.14), mixed(hair, DARK, 0.36))
    top = smooth([(172, 330), (164, 250), (206, 176), (292, 136), (388, 142), (454, 190), (478, 262), (466, 332),
                  (440, 280), (388, 262), (306, 272), (226, 268), (192, 286)])  # fmt: skip
    canvas.shape(top, mixed(hair, WHITE, 0.26), mixed(hair, DARK, 0.12))
    for shift in (0, 40, 80, 120):
        strand = smooth(
            [(204 + shift, 262), (240 + shift, 204 - shift * 0.1), (316 + shift, 172 + shift * 0.2)], closed=False
        )
        canvas.line(strand, 3.5, mixed(hair, WHITE, 0.5), soft=2.2, strength=0.5)


def _suit(canvas: Canvas) -> None:
    canvas.shape(_shoulders(), (44, 46, 58), (28, 30, 40))
    canvas.shape([(248, 742), (392, 742), (336, 960), (304, 960)], (250, 250, 252), (226, 228, 236))
    for side in (-1, 1):
        lapel = [(320 + side * 84, 734), (320 + side * 152, 806), (320 + side * 122, 830), (320 + side * 8, 976)]
        canvas.shape(lapel, (60, 62, 78), (38, 40, 52))
        collar = [(320 + side * 80, 726), (320 + side * 98, 756), (320 + side * 48, 812), (320 + side * 3, 768)]
        canvas.shape(collar, WHITE, (230, 232, 240))
    canvas.shape([(302, 774), (338, 774), (332, 804), (308, 804)], (176, 42, 66), (152, 32, 54))
    canvas.shape([(308, 804), (332, 804), (348, 960), (292, 960)], (190, 50, 74), (142, 28, 50))


PEOPLE: dict[str, Look] = {
    "teacher": Look(
        skin=(240, 200, 172), hair=(122, 92, 74), iris=(88, 116, 92), lips=(196, 102, 98), jaw=118, brow_width=11,
        background=_library, hair_behind=_bob_behind, hair_before=_parted_hair, clothes=_cardigan, extras=_glasses,
    ),
    "student": Look(
        skin=(150, 98, 70), hair=(46, 34, 32), iris=(92, 58, 36), lips=(150, 82, 72), jaw=116, brow_width=14,
        background=_sunny_room, hair_behind=_curls_behind, hair_before=_curls, clothes=_hoodie,
    ),
    "assistant": Look(
        skin=(246, 214, 184), hair=(36, 34, 44), iris=(74, 50, 40), lips=(208, 96, 104), jaw=112, brow_width=10,
        background=_office, hair_behind=_bun, hair_before=_swept_hair, clothes=_blazer, extras=_headset,
    ),
    "presenter": Look(
        skin=(226, 178, 146), hair=(190, 146, 86), iris=(78, 118, 160), lips=(186, 108, 98), jaw=128, brow_width=15,
        background=_stage, hair_behind=_short_behind, hair_before=_quiff, clothes=_suit,
    ),
}  # fmt: skip
