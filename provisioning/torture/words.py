"""What people read, in their language. The last line and file names are the same in all."""

import os

LANGUAGES = ("en", "zh-CN")

_TEXTS = {
    "seed": ("seed {seed} (--seed {seed} does the same to the same)", "随机种子 {seed}（--seed {seed} 可重复同样的操作）"),
    "folder": ("scratch folder {folder}: about {start} MiB now, {more} MiB a minute, never more than {cap} MiB",
               "临时文件夹 {folder}：现在约需 {start} MiB，此后每分钟约 {more} MiB，绝不超过 {cap} MiB"),
    "making": ("making an organisation of its own: broker, collector, {agents} agents; {minutes:g} min of torture follow",
               "正在建立独立的组织：消息代理、采集中心、{agents} 个代理；随后折磨 {minutes:g} 分钟"),
    "running": ("it runs; the torture begins", "已运行，折磨开始"),
    "agent": ("agent {name}", "代理 {name}"),
    "broker": ("broker", "消息代理"),
    "broker_empty": ("broker (its database deleted)", "消息代理（数据库已删除）"),
    "broker_older": ("broker (an older copy of its database put back)", "消息代理（数据库换回旧副本）"),
    "collector": ("collector", "采集中心"),
    "and": (", ", "、"),
    "kill": ("kill -9: {who}; started again after {seconds:.1f} s", "kill -9：{who}；{seconds:.1f} 秒后重新启动"),
    "link": ("link of {who}: {what} for {seconds:.1f} s", "{who} 的链路：{what}，持续 {seconds:.1f} 秒"),
    "cut": ("link of {who}: {what}", "{who} 的链路：{what}"),
    "is_delay": ("delay {ms} ms, jitter {jitter} ms", "延迟 {ms} 毫秒，抖动 {jitter} 毫秒"),
    "is_rate": ("{rate} bytes a second", "每秒 {rate} 字节"),
    "is_stall": ("stalled", "停滞"),
    "is_blackhole": ("a black hole", "黑洞"),
    "is_reset": ("reset after {bytes} bytes each", "每 {bytes} 字节即被重置"),
    "is_cut": ("every connection reset", "全部连接被重置"),
    "is_half_close": ("one direction ended", "单向关闭"),
    "spool_copy": ("{who}: its spool is copied", "{who}：复制其缓存文件"),
    "spool_back": ("{who}: its spool is rolled back to the copy of {seconds:.0f} s ago",
                   "{who}：缓存文件退回到 {seconds:.0f} 秒前的副本"),
    "spool_back_midst": ("{who}: in the middle of a backlog its spool is rolled back to the copy of {seconds:.0f} s ago",
                         "{who}：在积压期间，缓存文件退回到 {seconds:.0f} 秒前的副本"),
    "store_copy": ("collector: its telemetry store is copied", "采集中心：复制遥测库"),
    "store_back": ("collector: its telemetry store is set back to the copy of {seconds:.0f} s ago",
                   "采集中心：遥测库退回到 {seconds:.0f} 秒前的副本"),
    "fill": ("{who}: cut off, and its small spool is filled until something must be dropped",
             "{who}：断开链路并写满其小缓存，直到必须丢弃数据"),
    "filled": ("{who}: {batches} batches were dropped by policy", "{who}：按策略丢弃了 {batches} 个批次"),
    "not_filled": ("{who}: nothing had to be dropped", "{who}：没有数据需要丢弃"),
    "skipped": ("{what}: left out, {why}", "{what}：跳过，{why}"),
    "full": ("the folder has reached {cap} MiB: the torture ends early", "文件夹已达 {cap} MiB：提前结束折磨"),
    "settling": ("everything is mended; waiting until all that was accepted has its receipt",
                 "全部恢复；等待所有已接受的数据得到回执"),
    "not_settled": ("after {seconds:.0f} s not everything has its receipt: {what}; judging what there is",
                    "{seconds:.0f} 秒后仍有数据没有回执：{what}；按现状判定"),
    "stopping": ("asked to stop after {seconds:.0f} s of torture: settling and judging what was done "
                 "(Ctrl-C again: stop at once, without a judgement)",
                 "折磨 {seconds:.0f} 秒后收到停止请求：正在收尾并判定（再按一次 Ctrl-C：立即停止，不做判定）"),
    "stopped": ("stopped: everything that was started is ended; nothing was judged",
                "已停止：启动的程序均已结束；未做判定"),
    "judging": ("reading the store without the collector's code", "正在脱离采集中心的代码直接读取存储"),
    "own_act": ("{n} values stood only in spool files that were rolled back: gone by that act, not counted",
                "有 {n} 个数值只存在于被退回的缓存文件中：因该操作而消失，不计入"),
    "is_held": ("{n} values of the last seconds, taken after that, wait in the spools for the next start: not counted",
                "此后最后几秒的 {n} 个数值仍在缓存中等待下次启动：不计入"),
    "done_acts": ("done: {kills} kills -9, {links} impairments of links, {backs} roll-backs of spools, "
                  "{stores} of the store, {fills} spools filled",
                  "完成：kill -9 {kills} 次，链路干扰 {links} 次，缓存退回 {backs} 次，遥测库退回 {stores} 次，写满缓存 {fills} 次"),
    # As the board calls them.
    "reason_off": ("agent was off", "代理未运行"),
    "reason_evicted": ("dropped, buffer full", "缓存已满而丢弃"),
    "reason_disk_full": ("disk was full", "磁盘已满"),
    "reason_damaged": ("damaged on disk", "存储损坏"),
    "reason_clock": ("clock not trusted", "时钟不可信"),
    "reason_lost_at_centre": ("lost at the centre", "在中心丢失"),
    "reason_rolled_back": ("device was rolled back", "设备被回滚"),
    "reason_overload": ("overload", "过载"),
    "reason_vanished": ("vanished", "不明消失"),
    "reason_thinned": ("thinned, buffer full", "缓存已满而抽稀"),
    "reason": ("explained: {n} ({reason})", "有解释的缺口：{n}（{reason}）"),
    "held": ("nothing lost, nothing doubled, every loss named", "无丢失，无重复，每处缺口皆有说明"),
    "failed": ("THE PROOF DOES NOT HOLD:", "证明不成立："),
    "is_lost": ("{n} accepted values are neither stored nor in the ledger", "{n} 个已接受的数值既未存储也不在账本中"),
    "is_doubled": ("{n} values are stored more than once", "{n} 个数值被重复存储"),
    "is_more": ("{n} values are stored that no agent says it accepted", "存储了 {n} 个没有任何代理承认接受过的数值"),
    "is_unexplained": ("the collector itself counts {n} unexplained gaps", "采集中心自己统计出 {n} 处无解释的缺口"),
    "is_thinned": ("{device}: means stand for {n} values more than the ledger names as thinned",
                   "{device}：平均值所代表的数值比账本记为抽稀的多 {n} 个"),
    "is_hole": ("{device}: between n = {after} and {before} of its series values are missing without an entry, boot time {from_ms} to {to_ms} ms",
                "{device}：序列在 n = {after} 与 {before} 之间缺失且无账目，启动时间 {from_ms} 至 {to_ms} 毫秒"),
    "is_event": ("{device}: event {name} was answered \"ok\" and is not stored", "{device}：事件 {name} 已答复 ok 却未存储"),
    "is_never_here": ("{device}: {n} batches are called lost at the centre, and no store that was set back held them: given up without a receipt",
                      "{device}：有 {n} 个批次被记为“在中心丢失”，但被退回的遥测库中从未有过：未得回执即被放弃"),
    "is_reason": ("{device}: the ledger names the reason \"{reason}\", which nothing that was done to it can have caused",
                  "{device}：账本给出的原因“{reason}”不可能由所做的任何操作造成"),
    "is_wrong": ("{device}: series {series} holds {value}, a value of another one", "{device}：序列 {series} 中有他序列的值 {value}"),
    "is_damaged": ("a stored batch cannot be read: {what}", "已存储的批次无法读取：{what}"),
    "is_waiting": ("after {seconds} s without any fault {n} accepted values still wait in spools",
                   "恢复正常 {seconds} 秒后仍有 {n} 个已接受的数值滞留在缓存中"),
    "is_ended": ("{who} ended by itself with code {code}", "{who} 自行退出，代码 {code}"),
    "is_ledger": ("the API tells of {api} ledger entries, the store holds {store}", "接口给出 {api} 条账目，存储中有 {store} 条"),
    "keep": ("everything is kept in {folder} (the keys in it are of this scratch organisation only). Please pack it with\n"
             "    tar -czf torture-{seed}.tar.gz -C {parent} {name}\n"
             "and send it to whoever looks after Branchline for you; report.json in it says the same as above, and seed {seed} does the same again",
             "全部保留在 {folder}（其中的密钥只属于这个临时组织）。请用以下命令打包\n"
             "    tar -czf torture-{seed}.tar.gz -C {parent} {name}\n"
             "并发送给为您维护 Branchline 的人；其中 report.json 记录了以上内容，随机种子 {seed} 可重复同样的操作"),
    "kept": ("kept: {folder}", "已保留：{folder}"),
    "not_empty": ("the folder {folder} is not empty; nothing was changed there. --folder DIR names an empty or a new one",
                  "文件夹 {folder} 不为空；未做任何更改。请用 --folder DIR 指定空文件夹或新文件夹"),
    "no_folder": ("cannot make the folder {folder}: {why}", "无法建立文件夹 {folder}：{why}"),
    "no_room": ("the disk of {folder} has only {free} MiB free; {need} MiB are needed. --folder DIR names another place",
                "{folder} 所在磁盘只剩 {free} MiB；需要 {need} MiB。请用 --folder DIR 指定别处"),
    "no_broker": ("there is no mosquitto on this machine: install it (Debian: apt-get install mosquitto)",
                  "本机没有 mosquitto：请先安装（Debian：apt-get install mosquitto）"),
    "could_not": ("the proof could not be made: {why}", "无法进行证明：{why}"),
}


def language_of(environment):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return "zh-CN" if environment[name].startswith("zh") else "en"
    return "en"


class Words:
    def __init__(self, language=None):
        self.language = language or language_of(os.environ)
        self._column = LANGUAGES.index(self.language)

    def __call__(self, key, **values):
        return _TEXTS[key][self._column].format(**values)
