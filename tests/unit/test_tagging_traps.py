"""Where a naive keyword tagger fails: one invented sentence for each trap, with its true twin."""

from __future__ import annotations

import pytest

from deploy.topic_files import PACKAGED, read_topic_files
from pipeline.rules.tagging.tagger import Tagger, check_examples
from pipeline.rules.tagging.topic_file import TopicSet

JC, TW, UT = "japan-china", "taiwan", "us-trade"


@pytest.fixture(scope="module")
def topics() -> TopicSet:
    return TopicSet.parse(read_topic_files(PACKAGED))


@pytest.fixture(scope="module")
def tagger(topics: TopicSet) -> Tagger:
    return Tagger(topics)


NOT_TAGGED = {
    "the baseball club Chunichi is not China and Japan": "中日、若手左腕が完封 打線も二桁安打",
    "the Chunichi newspaper is not China and Japan": "中日新聞社が新しい印刷工場を公開",
    "the Chugoku region is not China": "中国地方で住宅の耐震補助を拡大、日本海側でも",
    "the Chugoku power company is not China": "中国電力、日本最大級の蓄電所を計画",
    "daytime temperature is not Japan and China": "日中の最高気温は各地で三十度を超える見込み",
    "the US Midwest is not the US and China": "米中西部で竜巻、農家の倉庫に被害",
    "the US Central Command is not the US and China": "米中央軍が司令官の交代式を開催",
    "the US midterms are not the US and China": "米中間選挙へ両党が候補者選び",
    "a typhoon on Taiwan is weather": "台風が台湾に上陸、各地で停電",
    "a quake in Taiwan is no politics": "台灣東部發生規模六點一地震 多處道路坍方",
    "a chip maker's results are business": "Taiwan chip packager's profit beats estimates",
    "a donation after a quake is no diplomacy": "台湾の実業家、地震の被災地に一億円を寄付",
    "food of Taiwan is food": "台湾料理の新店が駅前に開店、行列も",
    "a councillor of Kaohsiung is not the prime minister": "高市議員質詢停車問題 要求改善路邊設計",
    "customs crime is not trade policy": "関税法違反の疑いで米国籍の男を逮捕、覚醒剤を密輸か",
    "trade of others is not US trade": "EU and Mercosur sign tariff deal after decades of talks",
    "a players' trade is not trade": "Dodgers trade two pitchers before the deadline",
    "letters inside Australia are not the USTR": "Australian minister opens tariff museum",
    "another war's strikes are its own": "Missiles hit Kyiv as Ukraine calls for air defense",
    "another strait is not the Strait": "イランがホルムズ海峡の封鎖を警告、日本の海運に影響も",
    "Yasukuni at home has no China in it": "閣僚が靖国神社を参拝、終戦の日",
    "Japanese citizens against their government are domestic": "日本民众举行集会 反对政府扩大军费",
    "public bodies are no warplanes": "公共机构今天起实行新的办公时间",
    "a typhoon to be faced is not about Taiwan": "沿海各地积极应对台风 渔船回港",
    "Russia's ministry is not China's": "俄外交部：日本应承认历史 停止歪曲",
    "a meal of fish and chips is no chip": "Fish and chips shop from America opens in China",
    "a strike of workers is no attack": "Taiwan airline crew strike ends after wage deal",
    "dock workers on strike are no trade policy": "US dock workers strike over pay, ports shut",
    "a match is no conflict": "Japan beat China to reach the badminton semifinal",
    "a match in Japanese is no conflict": "サッカー日本代表、中国に快勝し首位通過",
    "a park whose name holds a negotiator's": "ジャングリア沖縄、米国の旅行客向けに増便",
    "a typhoon's track through the East China Sea": "台風が東シナ海を北上、中国へ上陸の恐れ",
    "rival companies are no states": "Sony and Xiaomi fight for phone buyers in Japan and at home",
    "rival companies in Japanese are no states": "トヨタと中国BYD、日本市場で小型車を競う",
    "a film named after the islands": "「尖閣1945」の試写に百人",
    "a film about the islands": "映画「尖閣1901」、来春に公開",
    "people around the club Chunichi": "新監督は投手出身か、中日関係者が明かす",
    "a state guest house is no island": "国家领导人在钓鱼台国宾馆会见外宾",
    "banks of a river are not the two sides": "长江两岸秋色宜人 游客增多",
}


@pytest.mark.parametrize("text", NOT_TAGGED.values(), ids=NOT_TAGGED.keys())
def test_a_lookalike_gets_no_topic(tagger: Tagger, text: str) -> None:
    assert tagger.tag(text, "").topics == ()


TAGGED = {
    "Japan and China by name": ("東京とは別に、日中関係は一段と悪化した", JC),
    "the white paper and China": ("防衛白書、中国を最大の挑戦と記す", JC),
    "Yasukuni and China's answer": ("閣僚の靖国参拝に中国が抗議", JC),
    "ships at the islands": ("尖閣沖に中国海警の船、機関砲を搭載", JC),
    "China first, in Japanese": ("中日関係が冷え込み、閣僚の往来は途絶える", JC),
    "a chip tool maker under chip rules": (
        "ASML halts tool exports to China under US chip rules",
        UT,
    ),
    "an export ban on Japan in English": ("Beijing halts rare earth exports to Japan", JC),
    "the remarks of the prime minister": ("国际人士：高市早苗错误言论极其危险", JC),
    "Japan in traditional characters": ("中國外交部召見日本大使 提出嚴正交涉", JC),
    "the president who needs no country's name": ("賴清德：國防預算不能再拖", TW),
    "the council for the mainland": ("陸委會回應北京：交流不應有前提", TW),
    "the office for Taiwan": ("國台辦批綠營阻撓往來", TW),
    "warplanes by their short name": ("共機十二架次越過中線", TW),
    "the yearly exercise": ("漢光演習登場 後備部隊動員", TW),
    "the parties": ("國民黨提案修正選罷法 民進黨反對", TW),
    "a contingency in Japanese": ("台湾有事に備え避難計画を見直し", TW),
    "a contingency in English": ("Generals discuss how a blockade of Taiwan would begin", TW),
    "chip licences without the word tariff": ("米商務省、先端半導体の対中輸出規制を強化", UT),
    "a section of the law": ("USTR opens Section 301 probe into bicycle makers", UT),
    "an import ban": ("米、外国製の自転車を輸入禁止へ", UT),
    "one character for the country": ("美對腳踏車課徵新關稅", UT),
    "a president and a tariff": ("特朗普威胁对进口自行车加征关税", UT),
}


@pytest.mark.parametrize(("text", "topic"), TAGGED.values(), ids=TAGGED.keys())
def test_a_headline_alone_is_enough(tagger: Tagger, text: str, topic: str) -> None:
    assert topic in {tag.topic for tag in tagger.tag(text, "").topics}


LEVELS = {
    "talks are no escalation": (
        "Japanese and Chinese foreign ministers hold talks in Seoul",
        JC,
        0,
    ),
    "a protest is friction": ("Japan protests to China over gas drilling", JC, 1),
    "an export ban is coercion": ("China bans exports of magnets to Japan", JC, 2),
    "armed ships are force": ("尖閣沖に中国海警の船、機関砲を搭載", JC, 3),
    "a drill is force": ("Taiwan reports live-fire drills by the PLA in the Strait", TW, 3),
    "a sale of arms is coercion": (
        "US sells weapons to Taiwan and Beijing vows countermeasures",
        TW,
        2,
    ),
    "a sale of arms in simplified characters": ("美国对台军售金额创下新高", TW, 2),
    "a sale of arms in traditional characters": ("美國對台軍售金額創下新高", TW, 2),
    "another war beside it is not force": (
        "Russia strikes Kyiv; Taiwan president sends aid",
        TW,
        0,
    ),
    "an accident is not force": ("Taiwan fighter jet crashes, pilot missing", TW, 0),
    "a new tariff is coercion": ("White House imposes tariffs on bicycles", UT, 2),
    "a delayed tariff is none": ("White House delays tariffs on bicycles by a year", UT, 0),
    "a lawsuit is friction": ("Bicycle makers sue over Trump tariffs", UT, 1),
    "a lower tariff is none": ("米、自転車への関税を引き下げ", UT, 0),
}


@pytest.mark.parametrize(("text", "topic", "level"), LEVELS.values(), ids=LEVELS.keys())
def test_a_level_says_how_serious_it_is(tagger: Tagger, text: str, topic: str, level: int) -> None:
    tags = {tag.topic: tag for tag in tagger.tag(text, "").topics}
    assert tags[topic].escalation == level


def test_force_in_another_war_is_not_the_topics(tagger: Tagger) -> None:
    summary = "Missiles and drones hit Kyiv overnight, while Ukraine asked for air defense."
    tagging = tagger.tag("Taiwan and Japan lawmakers discuss diplomatic visit", summary)
    tags = {tag.topic: tag.escalation for tag in tagging.topics}
    assert tags[TW] == 0


def test_the_formula_at_the_end_of_another_meeting_is_boilerplate(tagger: Tagger) -> None:
    summary = "两国元首战略引领下双边关系发展。对方表示恪守一个中国原则，支持两国人民友好。"
    assert tagger.tag("议长会见外国议会代表团", summary).topics == ()


def test_tariffs_in_passing_are_not_the_subject(tagger: Tagger) -> None:
    title = "Brazil and Argentina finish Mercosur trade deal"
    summary = "The bloc seeks new markets. Some members also face tariffs in the US."
    assert tagger.tag(title, summary).topics == ()


def test_the_shipped_examples_hold(topics: TopicSet) -> None:
    assert check_examples(topics) == ()


def test_strongest_terms_come_first_and_are_the_files_own(tagger: Tagger) -> None:
    (tag,) = tagger.tag("Beijing halts rare earth exports to Japan", "").topics
    assert set(tag.terms) >= {"Beijing", "Japan", "rare earth*"}
