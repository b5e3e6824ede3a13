"""Overlays and refusals."""

import math
import shutil
from pathlib import Path

import pytest
import yaml

from conftest import HOME
from lakeshop.config.base import FrozenModel
from lakeshop.config.settings import Pseudonyms
from lakeshop.config.settings import read_settings as read_any_settings
from lakeshop.config.shop import ColumnMapping
from lakeshop.engine.applications import section_classes
from lakeshop.errors import ConfigError
from lakeshop.pipeline import APPLICATIONS, configuration, read_settings

KEY = "k" * 16 + "0123456789abcdef"


@pytest.fixture
def conf(tmp_path):
    folder = tmp_path / "conf"
    shutil.copytree(HOME / "conf", folder)
    return folder


def overlaid(path, **keys):
    content = yaml.safe_load(path.read_text()) or {}
    path.write_text(yaml.safe_dump(content | keys))


def read(conf, env="local", shop="complete_journey"):
    return read_settings(conf, env=env, shop=shop)


def fault_of(conf, **names):
    with pytest.raises(ConfigError) as caught:
        read(conf, **names)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    "env", [p.stem for p in (HOME / "conf").glob("*.yaml") if p.stem != "base"]
)
@pytest.mark.parametrize("shop", [p.stem for p in (HOME / "conf/shops").glob("*.yaml")])
def test_what_is_shipped_can_be_read(env, shop):
    assert read(HOME / "conf", env, shop).shop.entities


def test_later_files_win_key_by_key(conf):
    base = yaml.safe_load((conf / "base.yaml").read_text())["similarity"]
    overlaid(conf / "local.yaml", similarity={"neighbours": 7, "blocks": 3})
    overlaid(conf / "shops/complete_journey.yaml", similarity={"blocks": 5})
    similarity = read(conf).similarity
    assert similarity.neighbours == 7
    assert similarity.blocks == 5
    assert similarity.shrinkage == base["shrinkage"]


class Part(FrozenModel):
    kind: str
    size: int = 1


class Other(FrozenModel):
    days: int = 7
    part: Part = Part(kind="a")


def test_a_section_of_another_package_lies_over_the_defaults_of_its_class(conf):
    def sections(names):
        return {**section_classes(APPLICATIONS), "other": Other}

    def read_other():
        return read_any_settings(conf, env="local", shop="simulated", sections=sections)

    assert read_other().section(Other) == Other()
    overlaid(conf / "shops/simulated.yaml", other={"part": {"size": 2}})
    assert read_other().section(Other) == Other(part=Part(kind="a", size=2))
    overlaid(conf / "shops/simulated.yaml", other={"part": {"sizes": 2}})
    with pytest.raises(ConfigError, match=r"other\.part\.sizes: there is no such key"):
        read_other()


def test_a_list_is_replaced_and_not_joined(conf):
    overlaid(conf / "local.yaml", features={"windows": [1, 2, 3]})
    assert read(conf).features.windows == (1, 2, 3)


def test_an_empty_overlay_changes_nothing(conf):
    (conf / "local.yaml").write_text("{}\n")
    before = read(conf)
    (conf / "local.yaml").write_text("# nothing\n")
    assert read(conf) == before


@pytest.mark.parametrize(
    ("keys", "where", "near"),
    [
        ({"similarity": {"neighbors": 3}}, "similarity.neighbors", "neighbours"),
        ({"lakes": "x"}, "lakes", "lake"),
        ({"similarty": {"blocks": 2}}, "similarty", "similarity"),
        (
            {"shop": {"entities": {"products": {"colums": {}}}}},
            "shop.entities.products.colums",
            "columns",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_its_path_its_file_and_the_nearest(conf, keys, where, near):
    overlaid(conf / "local.yaml", **keys)
    said = f"{where}: there is no such key in local.yaml; did you mean {near}?"
    assert said in fault_of(conf)


def test_an_unknown_key_like_no_other_is_refused(conf):
    overlaid(conf / "shops/complete_journey.yaml", qqqq=1)
    assert "qqqq: there is no such key in complete_journey.yaml." in fault_of(conf)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"similarity": {"user_measures": []}}, "similarity.user_measures"),
        ({"similarity": {"user_measures": ["cosine", "cosine"]}}, "name each measure once"),
        ({"similarity": {"basket_measures": ["pearson"]}}, "similarity.basket_measures.0"),
        ({"similarity": {"visit_measures": ["lift", "lift"]}}, "name each measure once"),
        ({"similarity": {"user_neighbours": -1}}, "similarity.user_neighbours"),
        ({"similarity": {"action_weights": {"view": -0.1}}}, "similarity.action_weights.view"),
        ({"similarity": {"action_weights": {"view": math.nan}}}, "similarity.action_weights.view"),
        ({"similarity": {"action_weights": {"purchase": 3}}}, "similarity.action_weights.purchase"),
        ({"similarity": {"shrinkage": math.inf}}, "similarity.shrinkage"),
        ({"similarity": {"asymmetry": 1.5}}, "similarity.asymmetry"),
    ],
)
def test_measures_and_weights_that_do_not_exist_are_refused(conf, keys, text):
    overlaid(conf / "local.yaml", **keys)
    assert text in fault_of(conf)


def test_recommendations_by_a_measure_that_is_not_made_are_refused(conf):
    overlaid(conf / "local.yaml", recommendations={"new_measure": "user_lift"})
    with pytest.raises(ConfigError, match="one of user_cosine, user_linear, received 'user_lift'"):
        configuration(conf, HOME / "schemas", env="local", shop="complete_journey")


def test_boosts_by_the_stock_of_a_shop_that_delivers_none_are_refused(conf):
    rules = {"boost": [{"stock_above": 100, "odds": 2}]}
    overlaid(conf / "local.yaml", recommendations={"rules": rules})
    with pytest.raises(ConfigError, match="delivers no stock, received 100; map the entity stock"):
        configuration(conf, HOME / "schemas", env="local", shop="complete_journey")
    configuration(conf, HOME / "schemas", env="local", shop="simulated")


def test_recommendations_by_another_measure_that_is_made(conf):
    overlaid(
        conf / "local.yaml",
        similarity={"user_measures": ["lift", "cosine"]},
        recommendations={"new_measure": "user_lift"},
    )
    settings = read(conf)
    assert settings.recommendations.new_measure in settings.similarity.measures_of_users


def test_past_nights_that_teach_lie_within_what_a_training_reads(conf):
    overlaid(conf / "local.yaml", recommendations={"learning": {"origins": 9}})
    with pytest.raises(ConfigError, match="origins should let nights reach back 35 days"):
        configuration(conf, HOME / "schemas", env="local", shop="complete_journey")
    (conf / "local.yaml").write_text("")
    overlaid(conf / "local.yaml", evaluation={"horizon_days": 14})
    with pytest.raises(ConfigError, match="received 5 nights, 70 days"):
        configuration(conf, HOME / "schemas", env="local", shop="complete_journey")


def test_all_faults_at_once(conf):
    overlaid(
        conf / "local.yaml", no_such=1, similarity={"neighbours": 0}, fraud={"review_score": 0}
    )
    text = fault_of(conf)
    assert "no_such" in text
    assert "similarity.neighbours" in text
    assert "Received 0" in text
    assert "fraud.review_score" in text


def test_a_missing_key_is_named_without_the_rest_of_the_configuration(conf):
    content = yaml.safe_load((conf / "base.yaml").read_text())
    del content["quality"]["max_rejected_rows"]
    (conf / "base.yaml").write_text(yaml.safe_dump(content))
    text = fault_of(conf)
    assert "quality.max_rejected_rows: Field required" in text
    assert "max_unreadable_files" not in text


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "America"])
def test_a_bad_zone(conf, zone):
    content = yaml.safe_load((conf / "shops/complete_journey.yaml").read_text())
    content["shop"]["zone"] = zone
    (conf / "shops/complete_journey.yaml").write_text(yaml.safe_dump(content))
    text = fault_of(conf)
    assert "shop.zone" in text
    assert "should be a time zone such as Europe/Berlin" in text


@pytest.mark.parametrize(
    "origin",
    [
        {"column": "a", "constant": "b"},
        {"column": "a", "expression": "b"},
        {"constant": "a", "expression": "b"},
        {},
        {"format": "yyyy-MM-dd"},
    ],
)
def test_an_origin_is_exactly_one(conf, origin):
    path = conf / "shops/complete_journey.yaml"
    content = yaml.safe_load(path.read_text())
    content["shop"]["entities"]["products"]["columns"]["brand"] = origin
    path.write_text(yaml.safe_dump(content))
    text = fault_of(conf)
    assert "shop.entities.products.columns.brand" in text
    assert "exactly one of column, columns, generated, constant, expression" in text


def test_a_path_names_its_day(conf):
    path = conf / "shops/complete_journey.yaml"
    content = yaml.safe_load(path.read_text())
    content["shop"]["entities"]["products"]["path"] = "products/all.csv"
    path.write_text(yaml.safe_dump(content))
    text = fault_of(conf)
    assert "shop.entities.products" in text
    assert "should have a path with {date}, the day that a file is for" in text


@pytest.mark.parametrize(
    ("expects", "weekdays"),
    [
        ("daily", {0, 1, 2, 3, 4, 5, 6}),
        ("weekdays", {0, 1, 2, 3, 4}),
        ("sometimes", set()),
        (["mon", "sat"], {0, 5}),
        (None, None),
    ],
)
def test_an_entity_says_when_it_comes(conf, expects, weekdays):
    set_of_products(conf, expects=expects)
    settings = read_settings(conf, env="local", shop="complete_journey")
    assert settings.shop.entities["products"].expected_weekdays == weekdays


@pytest.mark.parametrize("expects", ["monday", ["montag"], []])
def test_weekdays_that_there_are_not_are_refused(conf, expects):
    set_of_products(conf, expects=expects)
    assert "shop.entities.products.expects" in fault_of(conf)


def set_of_products(conf, **keys):
    path = conf / "shops/complete_journey.yaml"
    content = yaml.safe_load(path.read_text())
    content["shop"]["entities"]["products"] |= keys
    path.write_text(yaml.safe_dump(content))


def test_an_empty_constant_is_an_origin_and_a_text_a_column():
    assert ColumnMapping.model_validate({"constant": ""}).constant == ""
    assert ColumnMapping.model_validate("a b") == ColumnMapping(column="a b")


def test_settings_are_frozen(conf):
    with pytest.raises(ValueError, match="frozen"):
        read(conf).similarity.neighbours = 1


def test_a_missing_shop_lists_those_there_are(conf):
    text = fault_of(conf, shop="no_such")
    assert "no_such.yaml should exist" in text
    assert "complete_journey" in text


def test_a_missing_environment_lists_those_there_are(conf):
    text = fault_of(conf, env="prod")
    assert "prod.yaml should exist" in text
    assert "local" in text


def test_a_missing_folder(tmp_path):
    assert "Found there: nothing" in fault_of(tmp_path / "none")


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\tx: 1", "x: \xff"])
def test_what_is_no_yaml(conf, text):
    (conf / "local.yaml").write_bytes(text.encode("latin-1"))
    assert "local.yaml should be YAML" in fault_of(conf)


@pytest.mark.parametrize("text", ["- a\n- b\n", "only text", "5"])
def test_what_holds_no_keys(conf, text):
    (conf / "local.yaml").write_text(text)
    assert "local.yaml should hold keys and values" in fault_of(conf)


# -- the digest of a run id ------------------------------------------------------------------------


def test_digest_is_the_same_wherever_the_folders_lie(conf):
    settings = read(conf)
    shop = settings.shop.model_copy(update={"landing": "/elsewhere"})
    moved = settings.model_copy(
        update={
            "lake": "s3a://bucket/lake",
            "tables_at_once": settings.tables_at_once + 1,
            "shop": shop,
            "pseudonyms": Pseudonyms(key_variable="OTHER", key_file=Path("/secret")),
        }
    )
    assert moved.digest() == settings.digest()
    assert read(HOME / "conf").digest() == settings.digest()


@pytest.mark.parametrize(
    "keys",
    [
        {"similarity": {"shrinkage": 11}},
        {"quality": {"max_rejected_rows": 0.051}},
        {"shop": {"zone": "UTC"}},
        {"shop": {"entities": {"products": {"columns": {"brand": "label"}}}}},
    ],
)
def test_digest_changes_with_a_parameter(conf, keys):
    before = read(conf).digest()
    # An overlay beside the shop's own, which is the last that wins.
    path = conf / "shops/complete_journey.yaml"
    path.write_text(yaml.safe_dump(merged(yaml.safe_load(path.read_text()), keys)))
    assert read(conf).digest() != before


def merged(below, above):
    both = {**below, **above}
    return {
        k: merged(below[k], v) if isinstance(v, dict) and k in below else v for k, v in both.items()
    }


def test_a_key_written_into_the_configuration_by_mistake_is_not_told(conf):
    overlaid(conf / "local.yaml", pseudonyms={"key": KEY, "key_variable": ["x", KEY]})
    text = fault_of(conf)
    assert "pseudonyms.key" in text
    assert KEY not in text
