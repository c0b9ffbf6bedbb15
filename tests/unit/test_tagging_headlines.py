"""Invented headlines, each with the topic and the level that a reader would give it.

They are the breadth of the vocabulary: one for each kind of act, in each language and script.
A mistake that reading shows belongs into `test_tagging_precision`, with its true twin.
"""

from __future__ import annotations

import pytest

from deploy.topic_files import PACKAGED, read_topic_files
from pipeline.rules.tagging.tagger import Tagger
from pipeline.rules.tagging.topic_file import TopicSet

HEADLINES = """
japan-china 1 Abe-era adviser's remarks on Taiwan draw rebuke from Beijing and unease in Tokyo
japan-china 3 Two Chinese coast guard vessels tail Japanese fishing boat off Senkakus
japan-china 0 Beijing and Tokyo mark 50 years of peace treaty with low-key ceremony
japan-china 1 China cancels trilateral culture meeting with Japan, South Korea
japan-china 2 Chinese court jails Japanese businessman for 12 years on espionage charge
japan-china 1 Survey: Nine in ten Japanese view China unfavourably
japan-china 0 Japan's foreign minister heads to Beijing for first visit in two years
japan-china 3 中国空母「福建」が宮古島沖を航行 海自護衛艦が監視
japan-china 2 中国、日本向けレアアース輸出の許可を停止
japan-china 1 「台湾有事」めぐり日中外務局長が平行線
japan-china 0 経団連会長が訪中へ 首相親書を携行
japan-china 1 処理水巡り中国が国際会議で日本を批判
japan-china 0 中国、日本人の短期ビザ免除を延長
japan-china 1 中国代表在安理会批驳日方涉台谬论
japan-china 2 海关总署：暂停进口福岛等县食品
japan-china 3 中国海警舰艇编队在我钓鱼岛领海内巡航
japan-china 0 李强会见日本经济代表团
japan-china 1 日本防衛白皮書點名中國為最大挑戰
japan-china 2 陸宣布對日石墨出口設限
japan-china 3 共艦穿越與那國水道 日自衛隊緊盯
japan-china 2 Chinese importers told to stop buying Japanese beef, sources say
japan-china 3 Japanese destroyer shadows Chinese spy ship off Kagoshima
japan-china 0 Tokyo and Beijing to reopen defence dialogue after six-year gap
japan-china 1 Beijing lodges stern representations over Japanese minister's shrine visit
japan-china 0 Ishiba sends congratulatory message to Xi on anniversary of ties
japan-china 1 Chinese netizens call for boycott after Tokyo textbook revision
japan-china 2 Japan bars export of chipmaking gear to dozens of Chinese buyers
japan-china 2 中国、日本の半導体材料に高率の反ダンピング関税
japan-china 3 中国の無人機が与那国島と台湾の間を通過、空自機が対応
japan-china 0 石破前首相、北京で王毅氏と会談
japan-china 1 中国、日米共同声明に「内政干渉」と反論
japan-china 0 日中ハイレベル経済対話、六年ぶり開催で調整
japan-china 1 中国大使、国会決議に「危険な火遊び」
japan-china 1 外交部：日方应停止在历史问题上开倒车
japan-china 2 商务部对原产于日本的二氯二氢硅发起反倾销立案调查
japan-china 3 日本自卫队舰机对辽宁舰编队跟踪监视 国防部回应
japan-china 1 北京批日本軍售鬆綁 踩戰後紅線
japan-china 3 共軍無人機飛越與那國 日戰機升空
japan-china 1 Beijing accuses Tokyo of stoking arms race after submarine launch
japan-china 1 Japan lodges complaint over Chinese laser pointed at its plane
japan-china 1 中国外務省報道局長「日本は火中の栗を拾うな」
japan-china 2 中国、日本人研究者を国家安全危害の疑いで拘束
japan-china 3 中国測量艦が屋久島沖の領海に侵入
japan-china 0 日中首脳、互いに祝電 国交正常化の節目
japan-china 1 自民議連の訪台に中国が抗議
japan-china 1 国防部：日方炒作中国威胁 居心叵测
japan-china 2 中方对日本个人采取制裁措施
japan-china 1 日相供奉靖國 北京強烈抗議
japan-china 2 China adds 20 Japanese defence firms to export control list
japan-china 1 China's foreign ministry criticises Japan's record defence budget
japan-china 0 Takaichi and Xi shake hands on sidelines of G20
japan-china 1 Japan's ruling party lawmaker calls off Beijing trip amid row
japan-china 3 Chinese and Russian bombers fly joint patrol over Sea of Japan
japan-china 3 PLA Navy fires live rounds in East China Sea near Japanese islands
japan-china 1 Tokyo calls in Chinese ambassador over gas field structure
japan-china 2 Beijing to impose anti-dumping duties on Japanese photoresist
japan-china 0 Japanese and Chinese coast guards agree on hotline
japan-china 2 Chinese customs hold up Japanese sake shipments, importers say
japan-china 1 日本の防衛費増額に中国国防省「強い不満」
japan-china 2 中国、日本の食品輸入業者に通関検査を強化 事実上の輸入停止
japan-china 0 日中、ホットラインの運用改善で合意
japan-china 3 ロシア軍と中国軍の爆撃機が日本海上空を共同飛行
japan-china 1 中国総領事の投稿に政府が抗議
japan-china 2 中国当局、邦人男性を新たに拘束 反スパイ法違反の疑い
japan-china 0 日中外相が電話会談、往来の再開を協議
japan-china 1 中国驻日大使馆就日本内阁成员参拜靖国神社提出抗议
japan-china 2 中国宣布对原产于日本的进口光刻胶发起反倾销调查
japan-china 0 中日举行海洋事务高级别磋商
japan-china 3 中国海军编队穿越宫古海峡赴西太平洋训练
japan-china 1 北京召見日本駐華大使 抗議高市國會發言
taiwan 1 Pentagon report says China could seek to coerce Taipei by 2027
taiwan 2 Taiwan blacklists Huawei and SMIC as trade with Beijing sours
taiwan 3 Chinese warplanes cross median line as Taiwan votes
taiwan 1 Philippine president says conflict over Taiwan would drag Manila in
taiwan 0 Nauru switches recognition from Taipei to Beijing
taiwan 0 Lai's party loses recall votes across island
taiwan 1 Pope's funeral: Beijing objects to Taiwan envoy's seat
taiwan 0 Taiwan bids to join CPTPP trade pact
taiwan 3 中国軍、台湾を取り囲む形で演習開始
taiwan 1 台湾副総統の訪米に中国「断固反対」
taiwan 2 台湾、ファーウェイを輸出規制の対象に
taiwan 0 台湾立法院、総統の演説をめぐり紛糾
taiwan 1 中国の情報機関、台湾の元議員に接触か
taiwan 0 ナウル、台湾と断交
taiwan 1 中方：敦促美方停止向"台独"分子发出错误信号
taiwan 3 东部战区组织海空兵力位台岛东部海域演练
taiwan 2 公安机关悬赏通缉台军心战人员
taiwan 0 海峡论坛在厦门举行 王沪宁出席
taiwan 2 海纜又斷 檢方拘提中國籍船長
taiwan 3 國軍漢光演習實兵登場 反登陸實彈射擊
taiwan 0 國民黨主席選舉登記截止 六人參選
taiwan 0 大法官人事案遭立院封殺
taiwan 1 Beijing fumes as Prague hosts Taiwan's former president
taiwan 3 PLA rocket force stages strike rehearsal opposite Taipei
taiwan 1 Taiwan minister: China hacking attempts doubled before vote
taiwan 0 St. Kitts keeps faith with Taiwan as new prime minister is sworn in
taiwan 0 Taiwan's lawmakers brawl over budget bill
taiwan 1 Tokyo and Washington voice concern about peace in the strait, name Taiwan
taiwan 3 Chinese tugboat damages Taiwan's cable, coast guard boards ship
taiwan 3 台湾東方で中国空母が発着艦訓練
taiwan 2 台湾人気配信者、中国で国家分裂扇動罪で服役
taiwan 0 台湾、南太平洋の友好国に首相を派遣
taiwan 1 米長官「台湾への脅威は切迫」 シンガポールで演説
taiwan 0 台湾野党、総統の罷免案を提出
taiwan 1 外交部：美方售台武器只会加速台海兵凶战危
taiwan 2 国台办宣布对两名"台独"打手实施惩戒
taiwan 3 福建海警在金门海域开展常态执法
taiwan 0 国民党主席率团访问北京
taiwan 3 海軍磐石艦監控共艦 距基隆二十浬
taiwan 0 民進黨初選民調出爐 現任者險勝
taiwan 0 宏都拉斯新總統擬與台復交
taiwan 0 年金改革釋憲 大法官判合憲
taiwan 3 Taipei reports record number of Chinese naval vessels near island
taiwan 2 Beijing issues arrest warrant for Taiwan lawmaker
taiwan 1 Australian MPs urge stronger support for Taiwan, angering China
taiwan 0 Guatemala's president begins state visit to Taiwan
taiwan 0 Ruling DPP picks chair as local elections loom
taiwan 3 台湾海峡で中国軍が実弾訓練、航行を制限
taiwan 2 台湾の検察、中国のスパイとして元将校を起訴
taiwan 1 中国、台湾のWHO参加を「断じて認めず」
taiwan 0 台湾の新内閣発足、国防部長は留任
taiwan 1 全国台联谴责赖清德"两国论"
taiwan 3 我军机舰常态在台海周边战备巡航
taiwan 0 第十六届海峡两岸青年论坛举行
taiwan 2 前立委助理涉共諜 遭收押禁見
taiwan 3 共軍福建艦通過台灣海峽 國軍全程監控
taiwan 0 立院臨時會登場 朝野攻防國安修法
taiwan 0 藍白主席會談 商2026合作
taiwan 3 Taiwan detects 40 Chinese military aircraft in a day
taiwan 3 China holds combat readiness patrol around island, Taipei says
taiwan 2 US approves $2 billion missile sale to Taiwan
taiwan 2 China sanctions 20 US defence firms over Taiwan arms
taiwan 2 Taiwan court jails retired colonel for spying for Beijing
taiwan 1 Beijing slams Lai's national day speech
taiwan 1 Xi tells Trump Taiwan issue is red line
taiwan 0 Paraguay reaffirms ties with Taipei
taiwan 0 Taiwan opposition wins by-election in Taichung
taiwan 3 British warship sails through Taiwan Strait
taiwan 1 Taiwan rejects Beijing's claim over Resolution 2758
taiwan 3 台湾周辺で中国軍機三十機を確認 国防部
taiwan 2 米政府、台湾への武器売却を承認
taiwan 2 中国、台湾産パイナップルの輸入を停止
taiwan 1 中国、頼総統の演説を「独立の挑発」と非難
taiwan 0 リトアニア首相、台湾との関係強化に意欲
taiwan 3 英軍艦が台湾海峡を通過
taiwan 1 国台办：赖清德当局谋"独"挑衅必将失败
taiwan 2 商务部：对参与对台军售的美国企业采取反制措施
taiwan 3 解放军位台岛周边组织联合战备警巡
taiwan 0 两岸青年交流营在厦门开营
taiwan 3 國防部：偵獲共機二十架次 逾越中線
taiwan 2 退役上校涉共諜案 高院判八年
taiwan 1 陸委會：北京無權代表台灣
taiwan 0 立院朝野協商破局 總預算延後審查
taiwan 0 總統接見美國眾議員訪問團
taiwan 2 中國暫停ECFA部分產品關稅優惠
us-trade 2 White House to double steel levies to 50%, Trump says
us-trade 1 Ford warns of $1.5bn hit from import levies imposed by Trump
us-trade 0 Trump exempts smartphones from reciprocal tariffs
us-trade 2 China files WTO complaint and slaps fees on US ships
us-trade 1 Swiss chocolate makers brace for 39% US tariff
us-trade 2 USTR opens probe into Brazilian trade practices
us-trade 0 Treasury secretary to meet Chinese vice-premier in Stockholm for trade talks
us-trade 2 Netherlands seizes chipmaker after US adds parent to export blacklist
us-trade 2 米大統領、半導体に百%の関税を課すと表明
us-trade 1 トヨタ純利益37%減、米関税が重荷
us-trade 0 日本車への米関税15%に下げ、大統領令に署名
us-trade 1 米貿易裁判所、関税差し止めを命令
us-trade 0 赤沢氏が訪米、関税巡り8回目の閣僚協議
us-trade 2 商务部将十家美企列入不可靠实体清单
us-trade 1 美国消费者成关税最大买单者
us-trade 0 特朗普签署行政令 下调自日本进口汽车关税
us-trade 2 川普：未在美設廠的晶片課300%關稅
us-trade 0 美中延長關稅休兵 川普簽行政命令
us-trade 0 Washington and Seoul finalise deal capping car tariffs at 15%
us-trade 2 Beijing puts US defence contractors on unreliable entity list
us-trade 2 Commerce Department opens national security probe into drone imports
us-trade 2 US to revoke chip waivers for Korean plants in China
us-trade 2 米大統領、映画に百%関税を再表明
us-trade 1 関税響き純利益四割減、マツダ
us-trade 0 米、牛肉やコーヒーの関税を撤廃
us-trade 2 米、対中半導体製造装置の輸出規制を拡大
us-trade 1 英産業界、米関税に救済策要求
us-trade 0 日米関税協議、赤沢氏と商務長官が電話
us-trade 2 美国宣布将对华船舶征收港口费
us-trade 0 中美经贸中方牵头人何立峰同美财长视频通话
us-trade 1 關稅壓境 農漁產外銷急尋出路
us-trade 0 美取消香蕉、咖啡關稅
us-trade 2 Trump orders 100% tariff on foreign films
us-trade 1 US farm groups plead for end to trade war with China
us-trade 0 Brussels and Washington agree outline of tariff accord
us-trade 2 China curbs exports of gallium to United States
us-trade 1 Appeals court hears challenge to president's emergency tariffs
us-trade 2 米、ブラジルに五十%関税 大統領が書簡で通告
us-trade 1 日本の自動車各社、米関税で計二兆円の減益
us-trade 0 米中、首脳会談で関税下げに合意
us-trade 2 米商務省、半導体設計ソフトの対中輸出を制限
us-trade 2 美国将多家中国企业列入实体清单
us-trade 1 商务部新闻发言人：美方做法破坏国际经贸秩序
us-trade 0 中美元首通话 同意继续经贸谈判
us-trade 2 川普宣布對進口家具課徵25%關稅
us-trade 1 台灣工具機出口受美關稅拖累 連五黑
us-trade 0 美韓敲定關稅細節 汽車降至15%
us-trade 2 Trump slaps 25% tariff on imported trucks
us-trade 2 China retaliates with duties on US farm goods
us-trade 1 Tariffs push up prices for American shoppers, survey finds
us-trade 0 US and Japan sign trade deal, cutting car tariffs to 15%
us-trade 1 Small firms ask Supreme Court to void tariffs
us-trade 2 US bars imports from Chinese battery maker over forced labor
us-trade 2 Washington tightens chip export rules for Malaysia
us-trade 0 US extends China tariff truce for 90 days
us-trade 1 Canada's premier says US tariffs hurt lumber towns
us-trade 2 米、全輸入品に10%の基本関税を発動
us-trade 1 米関税の影響で自動車輸出が減少
us-trade 0 米中、関税の停止を九十日延長で合意
us-trade 2 中国、米企業十社を輸出規制リストに追加
us-trade 1 米国の関税は違法 企業が返還求め提訴
us-trade 2 国务院关税税则委员会：对原产于美国的进口商品加征34%关税
us-trade 1 美关税政策推高物价 民众不满
us-trade 0 中美经贸磋商达成框架共识
us-trade 2 美國擬對藥品課100%關稅
us-trade 1 關稅衝擊 工具機業者憂訂單
us-trade 0 台美關稅談判完成 稅率降至15%
none - Japan's Nikkei jumps as China stimulus lifts mood
none - Sony opens flagship store in Shanghai
none - China's table tennis queen retires after Tokyo final
none - Tokyo zoo welcomes baby red panda
none - Japan to tighten visa rules for all foreign students
none - 中国の不動産不況、日本の素材メーカーに打撃
none - 横浜中華街で獅子舞、観光客でにぎわう
none - 中国出身の力士が初優勝
none - 日中は三十度超え、熱中症に注意
none - 北京五輪の金メダリスト、名古屋で講演
none - 东京奥运会中国队首金诞生
none - 日本名古屋举办中国年货市集
none - 日本央行加息 日元走强
none - 日本演歌天后抵台開唱
none - 高雄市議員質詢捷運工程
none - Foxconn posts record profit on server sales
none - Taiwan's birth rate falls to new low
none - Dengue outbreak spreads in southern Taiwan
none - Taiwan beats Japan to win baseball title
none - 台湾でデング熱が流行
none - 台湾の高校、甲子園視察
none - 台湾東部で列車脱線、二人けが
none - 台湾青年在福州开咖啡店
none - 台风登陆台湾宜兰
none - 嘉義市府推出長者共餐補助
none - 中央氣象署：鋒面通過全台有雨
none - Dollar slides as Fed minutes turn dovish
none - Tariff-free trade zone launched in West Africa
none - China cuts tariffs on African goods to zero
none - Biden visits striking autoworkers
none - 米国産米の輸入、今年度は横ばい
none - 税関職員を収賄容疑で逮捕
none - 米シェール各社、増産見送り
none - 中国东盟自贸区升级议定书签署
none - 美國職籃總冠軍賽開打
none - 美國制裁委內瑞拉石油商
none - Japanese snack maker recalls products sold in China
none - Osaka hotel prices climb as Chinese visitors return
none - Japan's new emperor penguin chick draws crowds, China zoo envious
none - China's yuan slips against yen after Tokyo intervention
none - 日本の酒、中国の若者に人気広がる
none - 中国製EVバス、国内で三割に
none - 上海のカフェで働く日本人店長の一日
none - 在日中国人の子ども、日本語教室に通う
none - 日本经济连续两季萎缩
none - 中国游客最爱目的地 日本跌出前三
none - 日本旅遊夯 北海道飯店漲價
none - Taiwan's chip champion to build second Dresden fab
none - Lantern festival draws millions to Tainan
none - Taiwanese director wins award in Venice
none - 台湾の新幹線で異臭騒ぎ
none - 台湾産マンゴー、今年は豊作
none - 台湾の歌姫がデビュー三十年
none - 台湾歌手将在上海开唱
none - 苗栗縣府徵才 三百職缺
none - 台中歌劇院年度製作登場
none - Chile and Peru abolish tariffs on wine
none - Ship strike closes Baltimore port
none - Trade unions call general strike in Rome
none - White House redecorates ballroom
none - タイとカンボジア、貿易再開で合意
none - 米国で日本食ブーム、しょうゆ輸出伸びる
none - 米大リーグのトレード、期限迫る
none - 我国与秘鲁签署自贸协定升级议定书
none - 印尼與歐盟簽經貿協定
none - 美國職棒交易大限
none - Japanese beef noodles chain expands in Chengdu
none - Panda cub born at Beijing zoo
none - 中国の新車販売、日系は三割減
none - 中国人留学生、地方の祭りで神輿担ぐ
none - 日本福冈发生列车脱轨
none - Taiwan rail operator orders new trains
none - Taiwanese shuttler reaches Jakarta semi-final
none - 台湾でバス横転、観光客けが
none - 台湾嘉义地震致房屋受损
none - 台南市長視察登革熱防治
none - 台北101跨年煙火門票開賣
none - Kenya cuts tariffs on imported rice
none - Wall Street rallies as inflation cools
none - 英印、自由貿易協定に署名
none - 越南與歐盟自貿協定滿五年
none - Japanese carmakers lose ground in China's EV price war
none - Japan's Emperor sends condolences after Sichuan quake
none - Chinese man arrested in Osaka over phone scam
none - Kabuki troupe tours Shanghai and Beijing
none - Tokyo stocks fall on weak Chinese data
none - Japan, Philippines sign troop access pact
none - 日本車各社、中国で販売不振続く
none - 北京で日本アニメ展、若者でにぎわう
none - 中国人の男を逮捕、不法残留の疑い
none - 日経平均は続落、中国景気への懸念
none - 日本首相访问菲律宾 商讨防务合作
none - 日本动画电影在华票房突破五亿
none - 高市早苗支持率下滑 執政聯盟生變
none - 日本女星來台宣傳新片
none - Taiwan's exports jump on AI demand
none - Typhoon makes landfall in southern Taiwan
none - Taiwanese bubble tea chain opens in London
none - Taipei mayor opens new metro line
none - Taiwanese man killed in Bangkok crash
none - 台湾の半導体輸出が過去最高
none - 台湾からの観光客、沖縄で増加
none - 台湾料理店が名古屋に開店
none - 台湾花莲发生5.5级地震
none - 北市府宣布公車票價調整
none - 台股收盤大漲三百點
none - 台積電法說會釋利多
none - Britain and India finalise trade pact
none - EU carbon border tax takes effect
none - US sanctions Iranian oil tankers
none - American Airlines raises profit outlook
none - NBA star demands trade before deadline
none - 日EU経済連携協定が発効五年
none - 米軍基地で燃料漏れ
none - コメ価格が下落、米の在庫増
none - 歐盟與印度簽署自貿協定
none - 美聯準會降息一碼
"""

ROWS = [line.split(" ", 2) for line in HEADLINES.strip().splitlines()]


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger(TopicSet.parse(read_topic_files(PACKAGED)))


@pytest.mark.parametrize(("topic", "level", "headline"), ROWS)
def test_a_headline_has_its_topic_and_level(
    tagger: Tagger, topic: str, level: str, headline: str
) -> None:
    tags = {tag.topic: tag.escalation for tag in tagger.tag(headline, "").topics}
    if topic == "none":
        assert not tags
    else:
        assert tags.get(topic) == int(level)
