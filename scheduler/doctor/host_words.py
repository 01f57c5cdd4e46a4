"""What the doctor says of the machine without its GPUs, and what to do about it, in English and Chinese."""

from __future__ import annotations

Words = dict[str, str]

HOST_WORDS: dict[str, Words] = {
    # the checks themselves
    "check_hangs": {"en": "no answer within {limit} s; it was given up", "zh": "{limit} 秒内没有结果，已放弃"},
    "check_spared": {"en": "not looked at, because {other} hung", "zh": "未检查：{other} 无响应"},
    "check_ended": {"en": "the check itself ended: {why}", "zh": "检查本身中断：{why}"},
    # the house and what a dead one left
    "house_runs": {"en": "runs here (launcher {pid}, {url})", "zh": "正在此处运行（启动器进程 {pid}，{url}）"},
    "house_rests": {"en": "does not run now; its data is in {data}", "zh": "当前未运行；数据在 {data}"},
    "house_new": {"en": "was never started on {data}", "zh": "从未在 {data} 上启动过"},
    "house_no_file": {"en": "{place} is no regular file", "zh": "{place} 不是普通文件"},
    "leftovers_in_use": {"en": "not looked for: the house runs", "zh": "系统正在运行，不检查残留"},
    "leftovers_none": {"en": "none", "zh": "无"},
    "orphans": {
        "en": "left of a dead run, still running: {count} ({words})",
        "zh": "上次异常结束后仍有 {count} 个进程在运行：{words}",
    },
    "stale_sockets": {"en": "nobody listens at {words}: the run before was killed", "zh": "{words} 无人监听：上次运行被强行终止"},
    "stale_address": {
        "en": "{run}/web.url says {url}, where nothing of ours runs: the run before was killed",
        "zh": "{run}/web.url 记录的 {url} 已无系统在运行：上次运行被强行终止",
    },
    "half_files": {"en": "{count:file} half written, {size}: {words}", "zh": "{count} 个未写完的文件，共 {size}：{words}"},
    # the disk
    "data_open": {"en": "{data} can be written", "zh": "{data} 可写"},
    "data_new": {
        "en": "{data} is not there yet; serve makes it, {place} can be written",
        "zh": "{data} 尚不存在，serve 会创建；{place} 可写",
    },
    "data_closed": {"en": "this user may not write in {words}", "zh": "当前用户无权写入 {words}"},
    "data_no_folder": {"en": "{place} is a file, not a directory", "zh": "{place} 是文件，不是目录"},
    "disk_local": {"en": "{kind}", "zh": "{kind}"},
    "disk_of_others": {
        "en": "{kind}, a disk over the network: the database needs working file locks",
        "zh": "{kind}，网络文件系统：数据库需要可靠的文件锁",
    },
    "disk_in_memory": {
        "en": "{kind}, which is memory: everything is gone with the machine",
        "zh": "{kind} 位于内存：机器重启后数据全部丢失",
    },
    "disk_kind_unknown": {"en": "the kernel does not say on what {data} lies", "zh": "内核没有给出 {data} 所在文件系统的类型"},
    "space": {
        "en": "{free} of {total} free; serve needs {needed} to start",
        "zh": "共 {total}，可用 {free}；启动 serve 至少需要 {needed}",
    },
    "speed_direct": {
        "en": "{speed}/s ({read} read past the page cache): {needed} of weights take {load}, a worker has {limit} to start",
        "zh": "{speed}/s（绕过页缓存读取 {read}）：{needed} 权重需 {load}，工作进程启动时限 {limit}",
    },
    "speed_dropped": {
        "en": "{speed}/s ({read} read after the page cache let go of them): {needed} of weights take {load}, a "
        "worker has {limit} to "
        "start",
        "zh": "{speed}/s（清除页缓存后读取 {read}）：{needed} 权重需 {load}，工作进程启动时限 {limit}",
    },
    "speed_of_cache": {
        "en": "{speed}/s, but {read} came from the page cache, which could not be avoided: it says nothing of the disk",
        "zh": "{speed}/s，但 {read} 来自无法绕开的页缓存，不能代表磁盘速度",
    },
    "speed_slow": {
        "en": "{speed}/s: {needed} of weights take {load}, and a worker that is not ready after {limit} is replaced",
        "zh": "{speed}/s：{needed} 权重需 {load}，而工作进程超过 {limit} 未就绪就会被替换",
    },
    "speed_unknown": {"en": "not measured: {why}", "zh": "未能测量：{why}"},
    # the model
    "model_whole": {"en": "{model}: whole, {size}", "zh": "{model}：完整，{size}"},
    "model_to_be_made": {
        "en": "{model}: serve makes them in {place} at its first start",
        "zh": "{model}：首次启动时 serve 会在 {place} 生成",
    },
    "model_missing": {
        "en": "{model}: nothing in {place}; about {size} are wanted there",
        "zh": "{model}：{place} 中没有文件，约需 {size}",
    },
    "model_broken": {"en": "{model}: {trouble} ({count} in all)", "zh": "{model}：{trouble}（共 {count} 处）"},
    # ports
    "port_free": {"en": "free on {host}", "zh": "{host} 上空闲"},
    "port_ours": {"en": "in use by the house that runs here", "zh": "由正在运行的本系统使用"},
    "port_orphan": {"en": "in use by a process of a dead run", "zh": "被上次异常结束的残留进程占用"},
    "port_in_use": {"en": "in use on {host} by {who}", "zh": "{host} 上的该端口被 {who} 占用"},
    "port_rights": {"en": "needs more rights than this user has", "zh": "需要更高权限"},
    "host_unknown": {"en": "the address {host} is not one of this machine", "zh": "地址 {host} 不属于本机"},
    "group_port_free": {
        "en": "free; only launches of several processes for one video would use it",
        "zh": "空闲；仅多进程生成单个视频时使用",
    },
    "group_port_in_use": {
        "en": "in use by {who}; Greenroom does not need it, a launch of several processes for one video would",
        "zh": "被 {who} 占用；Greenroom 不需要它，但多进程生成单个视频时需要",
    },
    "group_port_rubbish": {"en": "MASTER_PORT is {value!r}, which is no port", "zh": "MASTER_PORT 为 {value!r}，不是端口号"},
    # limits
    "shm": {
        "en": "{free} of {total} free; the vault's memory does not lie there, NCCL's between several GPUs does",
        "zh": "共 {total}，可用 {free}；vault 的内存不在此处，多 GPU 的 NCCL 使用它",
    },
    "shm_missing": {"en": "there is no /dev/shm: {why}", "zh": "没有 /dev/shm：{why}"},
    "limit_files": {"en": "{count} for a process", "zh": "每个进程 {count}"},
    "limit_size": {"en": "{size} for a file", "zh": "单个文件 {size}"},
    "limit_space": {"en": "{size} for a process", "zh": "每个进程 {size}"},
    "limit_locked": {
        "en": "{size}; CUDA's pinned memory is not counted against it", "zh": "{size}；CUDA 的锁页内存不受其限制",
    },
    # clock, zone, versions
    "clock_ok": {"en": "{now}, not behind any file of the house", "zh": "{now}，不早于系统的任何文件"},
    "clock_unset": {"en": "the machine's clock says {now}: it was never set", "zh": "机器时钟为 {now}：从未校准"},
    "clock_back": {
        "en": "the house's newest file is {ahead} ahead of the machine's clock, which was set back",
        "zh": "系统最新文件比机器时钟快 {ahead}：时钟被回拨",
    },
    "zone": {"en": "{zone}, of {variable}", "zh": "{zone}，来自 {variable}"},
    "zone_own": {"en": "the machine's own, {zone}", "zh": "机器自身时区 {zone}"},
    "zone_bad": {"en": "{variable} is {value!r}, which is no zone", "zh": "{variable} 为 {value!r}，不是有效的时区"},
    "python": {"en": "{version}", "zh": "{version}"},
    "packages": {"en": "{words}", "zh": "{words}"},
    "packages_missing": {"en": "not installed: {words}", "zh": "未安装：{words}"},
}  # fmt: skip

HOST_REMEDIES: dict[str, Words] = {
    "house_no_file": {
        "en": "Move it away, then bring the database back from a backup, or start anew: role_scheduler serve.",
        "zh": "将其移走，再恢复数据库备份，或重新启动：role_scheduler serve。",
    },
    "check_spared": {"en": "See what is said of that one, then run it again.", "zh": "请先处理该项，然后重试。"},
    "check_hangs": {
        "en": "A driver or a disk over the network that hangs does this. Look at dmesg, nvidia-smi and mount.",
        "zh": "通常是驱动或网络磁盘无响应。请查看 dmesg、nvidia-smi 和 mount。",
    },
    "check_ended": {
        "en": "Look at the file or device that it names; the other checks went on.",
        "zh": "请查看其中提到的文件或设备；其他检查不受影响。",
    },
    "orphans": {
        "en": "role_scheduler serve ends them when it starts. By hand: kill {pids}",
        "zh": "role_scheduler serve 启动时会终止它们；手动：kill {pids}",
    },
    "stale_sockets": {
        "en": "Nothing: serve puts its own in their place. Or remove them from {run}.",
        "zh": "无需处理：serve 启动时会替换；也可从 {run} 中删除。",
    },
    "stale_address": {
        "en": "Nothing: serve writes it anew. Until then status and login-link name it.",
        "zh": "无需处理：serve 启动时会重写；在此之前 status 和 login-link 仍会显示它。",
    },
    "half_files": {
        "en": "Nothing reads them. Start serve, which goes on with its jobs; what is older than that start may be "
        "removed from {data}.",
        "zh": "没有程序会读取它们。启动 serve 继续任务；之后可从 {data} 中删除早于该次启动的文件。",
    },
    "data_closed": {
        "en": "Choose another with --data DIR or change its rights and owner.",
        "zh": "用 --data DIR 换一个目录，或修改权限与属主。",
    },
    "data_no_folder": {"en": "Choose another with --data DIR.", "zh": "用 --data DIR 换一个目录。"},
    "disk_of_others": {"en": "Choose a local disk with --data DIR.", "zh": "用 --data DIR 选择本地磁盘。"},
    "disk_in_memory": {
        "en": "Choose a disk with --data DIR, unless nothing has to be kept.",
        "zh": "除非数据无需保留，请用 --data DIR 选择磁盘。",
    },
    "disk_kind_unknown": {"en": "See to it that it is a local disk.", "zh": "请确认它是本地磁盘。"},
    "space": {"en": "Free some space or choose another disk with --data DIR.", "zh": "释放空间，或用 --data DIR 换一块磁盘。"},
    "speed_slow": {
        "en": "Put the model's files on a faster disk (models/{model} may be a link), or raise faults: hung_step: "
        "start_s in policy.yaml.",
        "zh": "把模型文件放到更快的磁盘（models/{model} 可以是链接），或在 policy.yaml 中提高 faults: hung_step: start_s。",
    },
    "speed_of_cache": {
        "en": "Run it again after a restart of the machine, or while no house has the weights open.",
        "zh": "请在重启机器后，或没有系统打开权重文件时再测。",
    },
    "speed_unknown": {"en": "Make room or rights in {place}, then run it again.", "zh": "请让 {place} 可写且有空间，然后重试。"},
    "model_missing": {
        "en": "Put or link a model directory or a public checkpoint there (docs/weights.md), or use --model pocket.",
        "zh": "将模型目录或公开检查点放置或链接到此处（docs/weights.md），或使用 --model pocket。",
    },
    "model_broken": {
        "en": "role_scheduler weights check {place} says which files and what to do.",
        "zh": "role_scheduler weights check {place} 会列出有问题的文件和处理办法。",
    },
    "port_orphan": {
        "en": "Nothing: serve ends that process before it looks at the port.",
        "zh": "无需处理：serve 会先终止该进程再检查端口。",
    },
    "port_in_use": {"en": "Stop what listens there, or use --port {next}.", "zh": "停止占用者，或使用 --port {next}。"},
    "port_rights": {"en": "Use a port above 1023: --port 8000.", "zh": "使用大于 1023 的端口：--port 8000。"},
    "host_unknown": {"en": "Use --host 127.0.0.1.", "zh": "使用 --host 127.0.0.1。"},
    "group_port_in_use": {
        "en": "For such a launch set MASTER_PORT={next}, or stop what listens there.",
        "zh": "此类启动请设置 MASTER_PORT={next}，或停止占用者。",
    },
    "group_port_rubbish": {
        "en": "Set it to a number from 1 to 65535, or take it out.",
        "zh": "设为 1 到 65535 的数字，或取消设置。",
    },
    "shm": {
        "en": "In a container: --shm-size 8g, or --ipc host. Needed only for several GPUs that work together (less than {mark}).",
        "zh": "容器请加 --shm-size 8g 或 --ipc host。仅多 GPU 协同时需要（低于 {mark}）。",
    },
    "shm_missing": {
        "en": "Mount a tmpfs there: several GPUs that work together need it.",
        "zh": "请在该处挂载 tmpfs：多 GPU 协同时需要。",
    },
    "limit_files": {
        "en": "Raise it to {mark} or more before serve: ulimit -n {mark} (systemd: LimitNOFILE).",
        "zh": "启动 serve 前提高到 {mark} 以上：ulimit -n {mark}（systemd：LimitNOFILE）。",
    },
    "limit_size": {
        "en": "Videos and weights may be larger ({mark}): ulimit -f unlimited",
        "zh": "视频和权重可能更大（{mark}）：ulimit -f unlimited",
    },
    "limit_space": {
        "en": "CUDA reserves far more addresses than memory: ulimit -v unlimited",
        "zh": "CUDA 预留的地址空间远大于内存：ulimit -v unlimited",
    },
    "clock_unset": {
        "en": "Set it (timedatectl set-ntp true), then start serve.",
        "zh": "先校准时钟（timedatectl set-ntp true），再启动 serve。",
    },
    "clock_back": {
        "en": "Look at the clock (timedatectl). If it is right now, start serve that much later, or its time stays ahead.",
        "zh": "检查时钟（timedatectl）。若现在是对的，请晚这么久再启动 serve，否则系统时间会一直偏快。",
    },
    "zone_bad": {
        "en": "Use a name such as Asia/Shanghai, or leave {variable} empty.",
        "zh": "使用 Asia/Shanghai 这样的名称，或将 {variable} 留空。",
    },
    "python": {
        "en": "Make the environment with Python 3.11 to 3.14: make clean install",
        "zh": "请用 Python 3.11 至 3.14 建立环境：make clean install",
    },
    "packages_missing": {"en": "make install", "zh": "make install"},
}  # fmt: skip
