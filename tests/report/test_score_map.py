from xml.etree import ElementTree

from sparring.report.score_map import score_map


def test_a_map_of_scores_is_darkest_where_the_score_is_lowest() -> None:
    svg = str(
        score_map("error <b>", [[1.0, 2.0], [3.0, 0.0]], (("lr", -4, -1), ("drop", 0, 0.7)), [(1.0, 1.0, "trial 3")], 0)
    )
    root = ElementTree.fromstring(svg)
    cells = [
        (float(cell.get("x", 0)), float(cell.get("y", 0)), float(cell.get("fill-opacity", 0)))
        for cell in root.iter("rect")
    ]
    assert len(cells) == 4
    darkest, lightest = max(cells, key=lambda cell: cell[2]), min(cells, key=lambda cell: cell[2])
    assert darkest[0] > lightest[0] and darkest[1] == lightest[1] == min(cell[1] for cell in cells)  # the row on top
    assert "error <b>: expected scores from 0, dark, to 3, light" in str(root.get("aria-label"))
    assert [dot.findtext("title") for dot in root.iter("g")] == ["trial 3"]
    words = [element.text for element in root.iter("text")]
    assert {"lr", "drop (upwards)", "-4", "-1", "0", "0.7"} <= {str(word).replace("−", "-") for word in words}


def test_equal_scores_are_a_map_too() -> None:
    ElementTree.fromstring(str(score_map("x", [[1.0, 1.0]], (("a", 0, 1), ("b", 0, 1)), [], 0)))
