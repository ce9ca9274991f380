"""The demo's sentences in Japanese, by the English one; tests see to it that none is missing or left over."""

from collections.abc import Mapping
from typing import Final

MESSAGES: Final[Mapping[str, str]] = {
    # beginning and end
    "Kessetsu 結節: a drill, from report to erasure": "Kessetsu 結節: 通信情報の提供から消去までの演習",
    "All of it is a drill and marked so. Real names stand for networks; no operator takes part.": (
        "すべて演習であり、演習と表示されます。実在の名称はネットワークを示すだけで、その事業者は参加していません。"
    ),
    "{what}: {seconds:.1f} s": "{what}: {seconds:.1f} 秒",
    "The demo could not go on: {why}": "演習を続けられません: {why}",
    "What to do: {action}": "対処: {action}",
    "Ended and removed.": "終了し、すべて削除しました。",
    "The hub, its database and every file of the demo are removed.": (
        "ハブ、データベース、演習のファイルをすべて削除しました。"
    ),
    "A demo is running in {directory}.": "{directory} で演習が動いています。",
    "End it with Ctrl-C where it runs, or start this one from another directory.": (
        "動いている端末で Ctrl-C を押して終えるか、別のディレクトリから始めてください。"
    ),
    # a hub is made
    "A hub of its own": "専用のハブを用意する",
    "Keys, certificate, database and passwords are made here and now: there is no default secret to change.": (
        "鍵、証明書、データベース、パスワードはこの場で作ります。変更し忘れるような初期値はありません。"
    ),
    "Keys, certificate, PostgreSQL": "鍵、証明書、PostgreSQL",
    "Database, API and worker": "データベース、API、ワーカー",
    "It answers at {url}, with a certificate of its own.": "{url} で応答しています(専用の証明書を使用)。",
    "`{command}` failed: {why}": "`{command}` が失敗しました: {why}",
    "The hub did not start. The end of its log:": "ハブが起動しませんでした。ログの末尾:",
    "The hub has ended by itself. The end of its log:": "ハブが停止しました。ログの末尾:",
    "Mend what the log names and run the demo again.": "ログが示す原因を取り除いて、もう一度実行してください。",
    # who is who
    "Who is who": "会員と保有ネットワークを登録する",
    "Who is told of a source must have operated its network then: dated holdings that an officer approved.": (
        "送信元を知らされるのは、その時点でネットワークを運用していた者だけです。期間付きの保有を責任者が承認します。"
    ),
    "Reading prefixes, names and the attack": "経路表、事業者名、攻撃データの読込み",
    "From {origin}.": "出典: {origin}",
    "No data set is named in {variable}, so the attack's sources are drawn from these real prefixes.": (
        "{variable} にデータがないため、攻撃の送信元はこの実在のプレフィックスから無作為に選びます。"
    ),
    "The package names operators without numbers: they get AS numbers for private use.": (
        "パッケージには AS 番号がないため、私的利用の AS 番号を割り当てます。"
    ),
    "Prefix table": "経路表",
    "Members": "会員",
    "Holdings, approved by an officer": "保有ネットワーク(責任者が承認)",
    "Tokens, 256 random bits each; the hub keeps digests only": (
        "トークン(各 256 ビットの乱数。ハブが持つのはダイジェストのみ)"
    ),
    "{members:,} members: {carriers:,} carriers by their real names, and made-up ones for the other parts.": (
        "会員 {members:,} 者: 実在の名称の電気通信事業者 {carriers:,} 者と、その他の役を演じる架空の会員"
    ),
    "{delegate} acts for {operator}; {suspended} is suspended.": (
        "{delegate} は {operator} の受任者です。{suspended} は資格停止中です。"
    ),
    # what is refused and held
    "What the hub does not take": "受け付けないもの",
    "No purpose, no data; and where sources look forged, a count per carrier would accuse the wrong ones.": (
        "目的のない情報は預かりません。送信元が詐称らしい場合、事業者ごとの集計は無関係な者を責めることになります。"
    ),
    "A report that is no drill": "演習でない報告",
    "A report without a legal basis": "法的根拠のない報告",
    "{what} is refused: {why}": "{what}は拒否されます: {why}",
    "{what} is refused.": "{what}は拒否されます。",
    "A flood from {count:,} random sources is held for an officer ({reason}); nobody is told.": (
        "無作為な {count:,} 個の送信元によるフラッドは責任者の判断まで保留されます({reason})。誰にも知らされません。"
    ),
    # the attack
    "One carrier reports an attack": "ある事業者が攻撃を報告する",
    "It states legal basis, purpose and mandate, and lives until 30 s after its first event.": (
        "法的根拠、目的、委託を明示します。最初の事象から 30 秒で消えます。"
    ),
    "{count:,} flows, given times of just now": "{count:,} フロー(時刻を直前に付け替え)",
    "Upload, {size:.1f} MB": "送信({size:.1f} MB)",
    "Receipt: {taken:,} rows taken, {refused:,} refused; gone by {deadline:%H:%M:%S} UTC; signed {signature}…": (
        "受領証: {taken:,} 行を受付、{refused:,} 行を拒否。消去期限 {deadline:%H:%M:%S} UTC。署名 {signature}…"
    ),
    "Sent again, as after a lost answer: the same receipt, nothing is taken twice.": (
        "応答を失ったものとして再送: 同じ受領証が返り、二重に受け付けません。"
    ),
    "Whose sources, what each may know, sealed, released": "帰属判定、開示判定、封緘、公開",
    "The report is released.": "報告が公開されました。",
    "Delivered: {records:,} records to {recipients:,} carriers. The others' sources are nobody's to see.": (
        "{recipients:,} 者に {records:,} 件を提供しました。残りの送信元は誰にも見せません。"
    ),
    "The report is still '{state}' after {seconds:.0f} s.": "{seconds:.0f} 秒たっても報告は '{state}' のままです。",
    "Run the demo with fewer flows: python -m hub.demo --size 50000": (
        "フローを減らして実行してください: python -m hub.demo --size 50000"
    ),
    # the recipients
    "What each carrier received, acknowledged and answered": "各事業者が受け取り、受領を確認し、回答したこと",
    "Only the operator of a source's network can find its subscriber; each gets its own sources and no others.": (
        "送信元の加入者を特定できるのはその運用者だけです。各事業者には自網の送信元だけを渡します。"
    ),
    "{count} carriers read, acknowledge, answer": "{count} 者が閲覧、受領確認、回答",
    "carrier": "事業者",
    "records": "件数",
    "sources": "送信元",
    "spoofable": "詐称の可能性",
    "acknowledged": "受領確認",
    "answered": "措置結果",
    "yes": "済",
    "no": "未",
    "not yet": "未回答",
    "too late": "期限切れ",
    ", {count:,} open": "、未回答 {count:,}",
    "Every carrier shown has its sources and has acknowledged them.": (
        "表の事業者はすべて自網の送信元を受け取り、受領を確認しました。"
    ),
    "Shown to it: {fields}.": "先頭の事業者に見えるもの: {fields}",
    "Withheld: {field}. {why}": "見えないもの: {field}。{why}",
    # what nobody may see
    "What nobody may see": "誰にも見えないもの",
    "Default deny: there is one door out, and what no rule permits stays closed, existence included.": (
        "原則は拒否です。出口は一つだけで、許す規則がなければ存在すら知らせません。"
    ),
    "who asks": "照会者",
    "as": "資格",
    "parcels in its inbox": "受信箱の件数",
    "answer for {name}'s parcel": "{name} あての提供情報への応答",
    "None of them gets that parcel, and the answer is the same as for one that never was.": (
        "誰も入手できず、応答は存在しないものを求めた場合と同じです。"
    ),
    "Without a token: {status}.": "トークンなし: {status}",
    "Searching database, write-ahead log, key store and logs": "データベース、WAL、鍵ストア、ログを検索",
    "{count} delivered addresses in {size:,.0f} MB on disk: {found} hits; in the file sent: {control:,}.": (
        "提供した {count} アドレスをディスクの {size:,.0f} MB で検索: {found} 件(送信ファイル: {control:,} 件)"
    ),
    "The same search does find the report's id, which is no secret.": (
        "同じ検索で、秘密でない報告 ID は見つかります。"
    ),
    "The hub's log has {lines:,} lines and not one of these addresses.": (
        "ハブのログは {lines:,} 行、これらのアドレスは一つもありません。"
    ),
    # the deadline
    "Until the deadline": "消去期限まで",
    "The clock runs from the first event and nobody can stop it; this class of drill lives 30 s.": (
        "期限は最初の事象から進み、誰にも止められません。この演習区分の保存は 30 秒です。"
    ),
    "Sealed now: {objects:,} objects in {chunks:,} chunks.": "封緘されているもの: {objects:,} 件({chunks:,} 片)",
    "{seconds:.0f} s to go": "残り {seconds:.0f} 秒",
    "Forgotten": "忘れたことを確かめる",
    "Keeping it longer may itself break secrecy: the key is destroyed first, so that copies in backups die too.": (
        "保存し続けること自体が通信の秘密の侵害になり得ます。先に鍵を破棄し、バックアップ中の写しも読めなくします。"
    ),
    "{count} carriers ask again and are told it is gone (410).": (
        "{count} 者が再び求め、消去済み(410)と応答されました。"
    ),
    "They and the reporter erase their own copies, which the same deadline binds.": (
        "報告者と各事業者も、同じ期限に従い手元の写しを消去します。"
    ),
    "The hub erases": "ハブによる消去",
    "Keys left: {keys}. {name} and {more} more are destroyed, and tombstones keep them so.": (
        "残る鍵: {keys} 個。{name} ほか {more} 個は破棄され、墓標が再作成を防ぎます。"
    ),
    "Sealed rows left in the database: {objects} objects, {chunks} chunks.": (
        "データベースに残る封緘データ: {objects} 件、{chunks} 片"
    ),
    "A deletion certificate, its signature checked with the hub's key {key}…": (
        "消去証明書(署名をハブの公開鍵 {key}… で検証済み)"
    ),
    "A deletion certificate has come.": "消去証明書が届きました。",
    "The held flood was decided by nobody and is gone too: {state}.": (
        "保留中のフラッドは判断されないまま消えました: {state}"
    ),
    "What stays are {cells:,} counts, none below {smallest}, and outcomes: {outcomes}.": (
        "残るのは {cells:,} 個の件数({smallest} 未満のものはない)と措置結果だけです: {outcomes}"
    ),
    "The log is whole: {entries:,} entries, {checkpoints:,} signed checkpoints, none changed.": (
        "監査ログは完全です: {entries:,} 件、署名済みチェックポイント {checkpoints:,} 個、改変なし"
    ),
    # where next
    "Where to look next": "次に見るもの",
    "What was promised here is kept in few places, each with its tests.": (
        "ここで示した約束は、少数の場所で、それぞれの試験とともに守られています。"
    ),
    "the whole story on one screen": "全体の流れを一画面で",
    "who may know what, in sentences a lawyer can read": "誰が何を知ってよいか(法律家が読める文章)",
    "how long what may live": "何をいつまで保存してよいか",
    "for a member: install, push, read, answer": "会員向け: 導入、提供、閲覧、回答",
    "for the hub's operator": "ハブの運用者向け",
    "Not kept: {count}. {what}": "守られなかった約束: {count}。{what}",
    "It stays up": "動かしたままにする",
    "It still takes drills only, listens on this machine only, and is removed when it ends.": (
        "演習だけを受け付け、この機器からのみ接続でき、終了時に削除されます。"
    ),
    "Address: {url}": "アドレス: {url}",
    "Tokens and certificate, for scripts: {file}": "トークンと証明書(スクリプト用): {file}",
    "Ctrl-C ends and removes it.": "Ctrl-C で終了し、削除します。",
}
