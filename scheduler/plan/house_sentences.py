"""What the checks of the house say, in English and Chinese; those of a plan are in `sentences`."""

from __future__ import annotations

HOUSE: dict[str, dict[str, str]] = {
    "told": {"en": "{text}", "zh": "{text}"},  # a sentence of the store or the daemon, as it is
    "daemon_ok": {"en": "answers (process {pid})", "zh": "有响应（进程 {pid}）"},
    "no_workers": {"en": "no slot of {slots} takes work: {why}", "zh": "{slots} 个槽位都不接收任务：{why}"},
    "workers": {
        "en": "slots that take work: {ready} of {slots}; standbys: {standbys}",
        "zh": "{slots} 个槽位中 {ready} 个可用，待命 {standbys} 个",
    },
    "workers_some": {
        "en": "slots that take work: {ready} of {slots}; standbys: {standbys}; {why}",
        "zh": "{slots} 个槽位中 {ready} 个可用，待命 {standbys} 个；{why}",
    },
    "slot_idle": {"en": "slot {slot} {why}", "zh": "槽位 {slot} {why}"},
    "slot_in_maintenance": {"en": "in maintenance until {until}", "zh": "维护中，至 {until}"},
    "slot_drained_by_hand": {"en": "drained by hand", "zh": "已人工停止接收任务"},
    "slot_give_back": {
        "en": "{why} (role_scheduler drain {slot} --back gives it work again)",
        "zh": "{why}（role_scheduler drain {slot} --back 可恢复）",
    },
    "slot_drained_for": {"en": "drained for a fault ({causes})", "zh": "因故障停止接收任务（{causes}）"},
    "slot_failed": {"en": "did not get ready: {error}", "zh": "未能就绪：{error}"},
    "slot_starting": {"en": "is starting", "zh": "正在启动"},
    "vault": {"en": "holds {held} of {limit} (process {pid})", "zh": "已占用 {held}，上限 {limit}（进程 {pid}）"},
    "clock_behind": {
        "en": "the house's time is {minutes} min behind the machine's clock, which was set since the start: stop serve and "
        "start it again, or reserved times, days of quotas and plans come late",
        "zh": "系统时间比机器时钟慢 {minutes} 分钟（机器时钟在启动后被调整）：请停止并重新启动 serve，"
        "否则预约、每日配额和日计划会推迟",
    },
    "clock_ahead": {
        "en": "the house's time is {minutes} min ahead of the machine's clock, which was set since the start or was wrong "
        "before: stop serve and start it again {minutes} min later; started sooner, it goes on from the last row of the log and "
        "stays ahead",
        "zh": "系统时间比机器时钟快 {minutes} 分钟（机器时钟在启动后被调整，或此前有误）：请停止 serve，"
        "{minutes} 分钟后再启动；若提早启动，时间会从日志的最后一行接着走，仍然偏快",
    },
    "vault_on_gpu": {
        "en": "holds {held} on GPUs, {limit} each at most (process {pid})",
        "zh": "在 GPU 上已占用 {held}，每块上限 {limit}（进程 {pid}）",
    },
    "vault_parked": {
        "en": "holds {held} on GPUs, {limit} each at most, and contexts of waiting jobs in host memory: {jobs}, {parked} "
        "(process {pid})",
        "zh": "在 GPU 上已占用 {held}，每块上限 {limit}；另有 {jobs} 个等待任务的上下文停放在主机内存，共 {parked}（进程 {pid}）",
    },
    "vault_silent": {
        "en": "process {pid} has not answered for {silent} s; it is replaced by itself if that lasts, and work goes on",
        "zh": "进程 {pid} 已 {silent} 秒没有响应；若持续下去会自动替换，任务随后继续",
    },
    "no_vault": {
        "en": "there is none just now; the launcher starts the next one, and work goes on",
        "zh": "当前没有 vault 进程；启动器会启动下一个，任务随后继续",
    },
    "disk_free": {"en": "{free} of {total} free", "zh": "共 {total}，可用 {free}"},
    "no_device": {"en": "no device has been read", "zh": "没有读到任何设备"},
    "stale_sample": {"en": "the newest reading is {age} s old", "zh": "最近一次读数是 {age} 秒前"},
    "no_sensor": {"en": "the device does not tell its memory", "zh": "设备不提供内存读数"},
    "memory_used": {"en": "{used} of {total} used ({ratio})", "zh": "共 {total}，已用 {used}（{ratio}）"},
    "no_roles": {"en": "no role is loaded", "zh": "没有加载角色"},
    "role_broken": {"en": "{broken}", "zh": "文件异常：{broken}"},
    "role_whole": {"en": "version {version}, portrait and voice healthy", "zh": "版本 {version}，画像与声音完好"},
    "role_whole_adapters": {
        "en": "version {version}, portrait, voice and adapters healthy", "zh": "版本 {version}，画像、声音与适配器完好",
    },
    "policy_default": {"en": "the defaults; there is no policy.yaml", "zh": "默认值；没有 policy.yaml"},
    "policy_held": {"en": "{text} The last good policy holds.", "zh": "{text} 仍沿用上一份有效策略。"},
    "policy_file": {"en": "policy.yaml", "zh": "policy.yaml"},
    "queue": {"en": "{length} waiting, the longest for {longest} s", "zh": "{length} 个在等待，最长 {longest} 秒"},
    "queue_paused": {
        "en": "{length} waiting, the longest for {longest} s, paused", "zh": "{length} 个在等待，最长 {longest} 秒，队列已暂停",
    },
    "queue_full": {
        "en": "full: {length} waiting, the longest for {longest} s", "zh": "队列已满：{length} 个在等待，最长 {longest} 秒",
    },
    "versions": {"en": "{words}", "zh": "{words}"},
    "versions_random": {"en": "{words}, weights random (not trained)", "zh": "{words}，权重为随机值（未训练）"},
}  # fmt: skip
