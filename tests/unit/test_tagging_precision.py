"""Kinds of mistakes that reading the feeds showed: for each an invented text and its true twin."""

from __future__ import annotations

import pytest

from deploy.topic_files import PACKAGED, read_topic_files
from pipeline.rules.tagging.tagger import Tagger
from pipeline.rules.tagging.topic_file import TopicSet

JC, TW, UT = "japan-china", "taiwan", "us-trade"


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger(TopicSet.parse(read_topic_files(PACKAGED)))


LEVELS = {
    # An act, and somebody's opinion of it.
    "en: an act": ("PLA warships fire missiles near Taiwan", TW, 3),
    "en: an analysis of it": ("Analysis: why PLA warships fire missiles near Taiwan", TW, 1),
    "ja: an act": ("尖閣沖で中国海警の船が機関砲を発射", JC, 3),
    "ja: an essay on it": ("【論考】尖閣沖で中国海警の船が機関砲を撃つ日", JC, 1),
    "zh-Hans: an act": ("解放军军舰在台湾海峡实弹射击", TW, 3),
    "zh-Hans: a column on it": ("专栏：解放军军舰在台湾海峡实弹射击之后", TW, 1),
    "zh-Hant: an act": ("共軍軍艦在台灣海峽實彈射擊", TW, 3),
    "zh-Hant: a column on it": ("投書：共軍軍艦在台灣海峽實彈射擊之後", TW, 1),
    "zh-Hant: a tariff": ("川普宣布對台灣腳踏車課徵關稅", UT, 2),
    "zh-Hant: a column on tariffs": ("風評：川普對台灣腳踏車課徵關稅的代價", UT, 1),
    # What is, and what experts think could be.
    "en: a blockade": ("China announces blockade drills around Taiwan", TW, 3),
    "en: a blockade on paper": ("A blockade of Taiwan would fail, think tank finds", TW, 1),
    "ja: a blockade": ("中国軍が台湾を封鎖する演習を発表", TW, 3),
    "ja: a blockade on paper": ("台湾封鎖なら物流は一週間で止まる、専門家が試算", TW, 1),
    "zh-Hans: a blockade": ("东部战区宣布封锁台湾周边海域演习", TW, 3),
    "zh-Hans: a blockade on paper": ("智库：封锁台湾将拖垮全球航运", TW, 1),
    "zh-Hant: a blockade": ("共軍宣布封鎖台灣周邊海域", TW, 3),
    "zh-Hant: a blockade on paper": ("學者：封鎖台灣將拖垮全球航運", TW, 1),
    # The other side's forces, and Taiwan's yearly drill.
    "en: the yearly drill": ("Han Kuang drill tests reservists in Taiwan", TW, 1),
    "en: their ships at the drill": ("Chinese warships shadow Han Kuang drill in Taiwan", TW, 3),
    "ja: the yearly drill": ("台湾の漢光演習、予備役も参加", TW, 1),
    "ja: their ships at the drill": ("台湾の漢光演習、中国の軍艦が沖合に", TW, 3),
    "zh: the yearly drill": ("漢光演習登場 後備部隊報到", TW, 1),
    "zh: their ships at the drill": ("漢光演習期間 中國軍艦逼近台灣東部", TW, 3),
    "ja: their drill by what it rehearses": ("台湾で軍事演習、敵前上陸と侵攻を想定", TW, 1),
    "en: drills after a sale": ("China starts drills after arms sale to Taiwan", TW, 3),
    "en: missiles sold": ("Washington plans arms sale of missiles to Taiwan", TW, 2),
    "zh: missiles sold": ("美擬售台灣岸置飛彈", TW, 2),
    "zh: drills after a sale": ("美擬售台灣飛彈 共軍軍演回應", TW, 3),
    "ja: missiles sold": ("米、台湾への武器売却を承認 対艦ミサイルなど", TW, 2),
    "ja: an aircraft in the Strait": ("米海軍の哨戒機が台湾海峡の上空を飛ぶ", TW, 3),
    # A storm empties the sea.
    "zh: ships before a storm": ("颱風逼近 台海僅一艘共艦活動", TW, 1),
    "zh: fire in spite of a storm": ("颱風逼近 共軍仍在台海實彈射擊", TW, 3),
    # Arms that are bought are not used.
    "en: missiles on order": ("Taiwan awaits delivery of shore missiles", TW, 1),
    "en: missiles fired": ("Missiles land in waters off Taiwan", TW, 3),
    "ja: missiles on order": ("台湾、国産ミサイルの量産を前倒し", TW, 1),
    "ja: missiles fired": ("台湾沖に中国軍のミサイル", TW, 3),
    "zh: missiles on order": ("台灣下訂岸置飛彈 產量不足", TW, 1),
    "zh: missiles fired": ("飛彈落入台灣東部外海", TW, 3),
    # Passing through.
    "en: a president's stopover": ("Taiwan's Lai begins transit through Hawaii", TW, 1),
    "en: a ship's passage": ("Destroyer transits the Taiwan Strait", TW, 3),
    "ja: a bill passes": ("台湾の立法院、選挙法の改正案が通過", TW, 0),
    "ja: a ship passes": ("カナダ軍の艦が台湾海峡を通過", TW, 3),
    # A poll is no probe.
    "ja: a poll": ("日中関係「悪化」が九割、世論調査", JC, 1),
    "ja: a probe": ("中国、日本製の樹脂に反ダンピング調査", JC, 2),
    "zh: a poll": ("民意调查：多数受访者认为中日关系紧张", JC, 1),
    "zh: a probe": ("中国对日本产树脂发起反倾销调查", JC, 2),
    # Goods that helps and that hits.
    "zh: a rate that helps": ("台灣關稅低於鄰國 有助外銷", TW, 1),
    "zh: a rate that hits": ("美國對台灣課徵新關稅", TW, 2),
    # Bans in every form.
    "ja: goods banned": ("米政府、中国製の監視カメラの輸入を禁止へ", UT, 2),
    "ja: rules extended": ("米、輸入規制の対象拡大 中国の綿製品", UT, 2),
    "ja: a ban eased": ("米、中国製カメラの輸入禁止を緩和", UT, 0),
    # A measure that ends is none that begins.
    "en: a ban": ("China bans seafood from Japan", JC, 2),
    "en: a ban lifted": ("China lifts ban on seafood from Japan", JC, 0),
    "ja: a stop": ("中国、日本産の真珠の輸入を停止", JC, 2),
    "ja: a stop ended": ("中国、日本産の真珠の輸入を再開", JC, 0),
    "zh: a stop": ("中国停止进口日本珍珠", JC, 2),
    "zh: a stop ended": ("中国恢复进口日本珍珠", JC, 0),
    "zh-Hant: a ban ended": ("中國解除日本珍珠禁令", JC, 0),
    # Today, and an anniversary.
    "ja: a carrier": ("中国軍の空母が日本周辺で活動", JC, 3),
    "ja: a carrier in a profile": ("中国軍の創設百周年、日本周辺で空母も活動", JC, 1),
    "zh: missiles": ("解放军在台海发射导弹", TW, 3),
    "zh: missiles of then": ("台海导弹危机四十周年研讨会", TW, 1),
    # Whose training.
    "ja: their training": ("中国が台湾東方で合同訓練を発表", TW, 3),
    "en: training with friends": ("Senate backs military training with Taiwan", TW, 0),
    # Arms that arrive.
    "zh: warplanes that arrive": ("首批新型戰機抵台 強化台海空戰", TW, 1),
    "zh: warplanes that come": ("共軍戰機逼近 台海空情緊張", TW, 3),
    # Two halves of a ban.
    "zh: imports shut out": ("美國禁中國無人機進口", UT, 2),
    "ja: imports shut out": ("米政府、中国製玩具の輸入を規制", UT, 2),
    "en: imports shut out": ("US blocks imports of Chinese toys", UT, 2),
    "en: talks about tariffs": ("US and Swiss envoys hold tariff talks in Geneva", UT, 0),
    "ja: talks about tariffs": ("米カナダ、関税巡り閣僚が電話協議", UT, 0),
    "zh: a budget is no trespass": ("總統府批：立院侵犯行政權 不副署", TW, 0),
    # Who is accused of meddling.
    "zh: meddling": ("國安局：中共介入台灣選舉", TW, 1),
}


@pytest.mark.parametrize(("text", "topic", "level"), LEVELS.values(), ids=LEVELS.keys())
def test_a_level_needs_an_act(tagger: Tagger, text: str, topic: str, level: int) -> None:
    tags = {tag.topic: tag.escalation for tag in tagger.tag(text, "").topics}
    assert tags.get(topic) == level


TOPICS: dict[str, tuple[str, str, bool]] = {
    "zh: letters of two words are no warplane": ("里長辯稱統戰機構只是廣告", "force", False),
    "zh: not to lose to a beauty is no export": ("議長自認不輸美女主播", UT, False),
    "zh: exports to America": ("鋼鐵輸美改採配額", UT, True),
    "zh: banks of a river": ("兩岸燈會點亮淡水河", TW, False),
    "zh: the two sides": ("兩岸燈會停辦 陸委會：對岸片面喊停", TW, True),
    "zh: a candidate on parks": ("沈伯洋：北市府應整修河濱步道", TW, False),
    "zh: a candidate on the nation": ("沈伯洋：立委應速審國防預算", TW, True),
    "zh: a fortune teller": ("命理師算命：台海明年平安", TW, False),
    "zh: the strait itself": ("國防部長：台海明年仍有風險", TW, True),
    "zh: a concert": ("台美樂手同台 爵士之夜滿座", TW, False),
    "zh: talks": ("台美談判代表會面 關稅是焦點", TW, True),
    "en: what a guest wore": ("A visitor's outfit in Taiwan delights fashion writers", TW, False),
    "en: a guest's visit": ("Senators visit Taiwan to back its defense", TW, True),
    "ja: a concert": ("台湾と沖縄の若手が音楽祭で共演", TW, False),
    "ja: a guest's visit": ("米議員団が訪台、頼総統と会談", TW, True),
    "zh: Americans at practice": ("沖繩美軍戰機演練 目標瞄準共軍", JC, False),
    "zh: the neighbours' forces": ("共軍編隊穿越沖繩外海 日防衛省監控", JC, True),
    "ja: Americans at practice": ("沖縄の米海兵隊、中国軍を想定し訓練", JC, False),
    "ja: the neighbours' forces": ("中国軍の編隊が沖縄沖を航行", JC, True),
    "ja: another war": ("イラン情勢の緊張、日本と中国の海運に懸念", JC, False),
    "ja: the same without a war": ("東シナ海の緊張、日本と中国の対立に懸念", JC, True),
    "en: another war": ("Hormuz tensions worry Japan and Chinese shippers", JC, False),
    "en: the same without a war": ("Tensions with Japan worry Chinese shippers", JC, True),
    "zh: another war": ("伊朗局势紧张 日本与中国航运业担忧压力", JC, False),
    "zh: the same without a war": ("日本与中国关系紧张 航运业担忧压力", JC, True),
    "ja: a class at the embassy": (
        "北京の日本大使館で和食と書道の催し、中国人家族が体験",
        JC,
        False,
    ),
    "ja: a summons to the embassy": (
        "北京の日本大使館に中国外務省が抗議、公使を呼び出し",
        JC,
        True,
    ),
    "zh: a concert of friends": ("日本音乐会在北京举行 大使与中国听众交流", JC, False),
    "zh: talks at the embassy": ("日本驻华大使与中国外交官会谈 讨论两国关系", JC, True),
    "en: a concert of friends": (
        "Japanese embassy in Beijing hosts tea ceremony concert",
        JC,
        False,
    ),
    "en: talks at the embassy": (
        "Japanese ambassador in Beijing meets Wang Yi for talks",
        JC,
        True,
    ),
    "zh: a ministry at another war": ("前國安局官員：烏克蘭國防部改組", TW, False),
    "zh: a ministry of its own": ("前國安局官員：國防部應改組", TW, True),
    "ja: firms that do well": ("日本企業、中国での業績が改善", JC, False),
    "ja: states that get on": ("日本と中国、関係改善へ外相会談", JC, True),
    "ja: shelters in a storm": ("台風で避難、台湾東部の住民二千人", TW, False),
    "ja: shelters in a drill": ("台湾で防空避難の訓練、攻撃の警報も", TW, True),
    "en: ships before a storm": ("Typhoon clears warships from the Taiwan Strait", TW, False),
    "en: ships and no storm": ("Warships return to the Taiwan Strait", TW, True),
    "ja: ships before a storm": ("台風接近、台湾海峡の軍艦は一隻に", TW, False),
    "ja: ships and no storm": ("台湾海峡に軍艦二隻、台湾軍が警戒", TW, True),
    "zh: a storm strikes": ("颱風週末侵台 北部停班", TW, False),
    "zh: an army strikes": ("共軍若侵台 北部先停電", TW, True),
    "zh: help for neighbours": ("賴總統：隨時提供協助 盼鄰國早日重建", TW, False),
    "zh: help for allies": ("賴總統接見友邦總統 允提供防務協助", TW, True),
    "ja: help for neighbours": ("頼総統が百万円寄付、行政院長も 地震の被災地へ", TW, False),
    "ja: a visit by neighbours": ("頼総統、訪台の議員団と会談", TW, True),
    "zh: a prize for pupils": ("學生科展奪冠 賴總統賀電勉勵", TW, False),
    "zh: a speech on defence": ("賴總統勉勵官兵 守護國家主權", TW, True),
    "zh: gifts": ("台灣夜市推總統伴手禮", TW, False),
    "zh: gifts at a state visit": ("友邦總統訪台 蕭美琴設宴致贈伴手禮", TW, True),
    "zh: a label elsewhere": ("東歐親中前部長轉任電池廠顧問", TW, False),
    "zh: a label at home": ("綠委批在野親中 立院爆口角", TW, True),
    "zh: a vote elsewhere": ("美參議員黨內選舉落敗 對手曾訪台灣夜市", TW, False),
    "zh: votes at home": ("在野拋公投案 中選會開會審議", TW, True),
    "zh: a film": ("兩岸合拍電影殺青", TW, False),
    "zh: a film as a tool": ("兩岸電影遭指統戰 國台辦回應", TW, True),
    "ja: firms and their worries": ("日本企業、中国での業績と需要に懸念", JC, False),
    "ja: a delegation": ("超党派の議員団、来月に訪中", JC, True),
    "ja: another's delegation": ("カナダの議員団、来月に訪中", JC, False),
    "ja: the far Pacific": ("中国のミサイル、フィジー沖の太平洋に落下", JC, False),
    "ja: the near Pacific": ("中国海軍の空母が太平洋へ 防衛省が発表", JC, True),
    "ja: flowers": ("日中友好の朝顔、市民が栽培", JC, False),
    "ja: Japan's arms beside another war": (
        "中国外相、北朝鮮巡る会見で「日本の軍国主義を警戒」",
        JC,
        True,
    ),
    "zh-Hant: short for China": ("陸批日方縱容右翼", JC, True),
    "en: whose tariff": ("EU slaps tariffs on Chinese bicycles", UT, False),
    "zh: taxed twice": ("台美避免雙重課稅法案闖關", UT, False),
    "ja: the oil market": ("原油が急騰、米国でガソリンの輸出禁止を求める声", UT, False),
    "ja: a ban on chips": ("米国、先端半導体の輸出禁止を拡大", UT, True),
}


@pytest.mark.parametrize(("text", "topic", "is_on"), TOPICS.values(), ids=TOPICS.keys())
def test_a_topic_is_the_subject(tagger: Tagger, text: str, topic: str, is_on: bool) -> None:
    if topic == "force":
        assert all(tag.escalation < 3 for tag in tagger.tag(text, "").topics)
    else:
        assert (topic in {tag.topic for tag in tagger.tag(text, "").topics}) is is_on


def test_a_tariff_that_a_lead_only_passes_by_is_no_subject(tagger: Tagger) -> None:
    title = "Harbour town reopens its theatre"
    passing = "The year was hard, as Trump's tariff plans unsettled donors and the roof leaked."
    subject = "Higher U.S. tariffs take effect on the town's exports this week."
    assert UT not in {tag.topic for tag in tagger.tag(title, passing).topics}
    assert UT in {tag.topic for tag in tagger.tag("Harbour town news", subject).topics}
