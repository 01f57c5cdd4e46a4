"""What the doctor says of driver and GPUs, and what to do about it, in English and Chinese."""

from __future__ import annotations

Words = dict[str, str]

GPU_WORDS: dict[str, Words] = {
    "driver": {"en": "{version}, for CUDA up to {cuda}; GPUs: {count}", "zh": "{version}，最高支持 CUDA {cuda}，{count} 块 GPU"},
    "driver_lost": {
        "en": "{version}, for CUDA up to {cuda}; of {count:GPU} these do not answer: {lost}",
        "zh": "{version}，最高支持 CUDA {cuda}；{count} 块 GPU 中无响应的：{lost}",
    },
    "driver_none": {"en": "no NVIDIA driver here: work is done on the processor", "zh": "此处没有 NVIDIA 驱动：使用处理器计算"},
    "driver_wanted": {
        "en": "no NVIDIA driver here, and {model} is far too slow on a processor",
        "zh": "此处没有 NVIDIA 驱动，{model} 在处理器上极慢",
    },
    "driver_missing": {
        "en": "no NVIDIA driver here, but {count} of its cards on the bus ({words})",
        "zh": "此处没有 NVIDIA 驱动，但总线上有 {count} 块卡（{words}）",
    },
    "driver_mismatch": {
        "en": "the driver was updated under a running kernel module: {said}", "zh": "驱动已更新但内核模块仍是旧版：{said}",
    },
    "driver_no_rights": {"en": "this user may not use it: {said}", "zh": "当前用户无权使用：{said}"},
    "driver_fails": {"en": "does not open: {said}", "zh": "无法打开：{said}"},
    "visible_all": {
        "en": "{variable} is not set: every GPU is used ({count}), {order}",
        "zh": "未设置 {variable}：使用全部 {count} 块，{order}",
    },
    "visible_unwanted": {
        "en": "{device}=cpu: the GPUs ({all}) are left alone", "zh": "{device}=cpu：不使用 {all} 块 GPU",
    },
    "visible_chosen": {
        "en": "{variable}={value}: used: {count} of {all:GPU}, {order}",
        "zh": "{variable}={value}：使用 {all} 块中的 {count} 块，{order}",
    },
    "visible_none": {
        "en": "{variable}={value!r} leaves none of {all:GPU}",
        "zh": "{variable}={value!r} 没有留下任何 GPU（共 {all} 块）",
    },
    "visible_cut": {
        "en": "{variable}={value}: the entry {entry} means nothing here, and CUDA looks at nothing behind it ({rest}): {order}",
        "zh": "{variable}={value}：条目 {entry} 无效，CUDA 忽略其后的条目（{rest}）：{order}",
    },
    "visible_twice": {
        "en": "{variable}={value} names GPUs twice ({words}), so CUDA sees none",
        "zh": "{variable}={value} 重复指定了 GPU（{words}），CUDA 一块也看不到",
    },
    "visible_instance": {
        "en": "{variable}={value}: CUDA gives a process one instance of a divided GPU, and no other: {order}",
        "zh": "{variable}={value}：CUDA 只给一个进程一个 MIG 实例：{order}",
    },
    "gpu_lost": {"en": "{uuid} does not answer; a house uses none behind it", "zh": "{uuid} 无响应；系统不会使用其后的 GPU"},
    "link_full": {
        "en": "{width} lanes of generation {generation}, as many as it can", "zh": "{width} 条通道，第 {generation} 代，已达上限",
    },
    "link_idle": {
        "en": "{width} lanes, generation {generation} of {newest} while idle ({load} % load): it saves power so, and "
        "rises with work",
        "zh": "{width} 条通道，空闲时为第 {generation} 代（最高第 {newest} 代，负载 {load} %）：为省电降速，工作时会升高",
    },
    "link_slow": {
        "en": "generation {generation} of {newest} under {load} % load: weights and contexts move slower than they could",
        "zh": "负载 {load} % 时仅为第 {generation} 代（最高第 {newest} 代）：权重与上下文传输偏慢",
    },
    "link_load_untold": {
        "en": "generation {generation} of {newest}; its load is not told, so nobody knows whether it only rests",
        "zh": "第 {generation} 代（最高第 {newest} 代）；没有负载读数，无法判断是否只是空闲",
    },
    "link_narrow": {
        "en": "{width} of {widest} lanes: weights and contexts move slower than they could",
        "zh": "{widest} 条通道中只有 {width} 条：权重与上下文传输偏慢",
    },
    "link_untold": {"en": "the GPU does not tell its link", "zh": "GPU 不提供链路信息"},
    "clocks_full": {"en": "{clock} of {most} MHz at {load} % load", "zh": "{clock} MHz（最高 {most} MHz），负载 {load} %"},
    "clocks_idle": {
        "en": "{clock} of {most} MHz at {load} % load ({reasons}): neither heat nor a setting holds it down",
        "zh": "{clock} MHz（最高 {most} MHz），负载 {load} %（{reasons}）：并非过热或设置所致",
    },
    "clocks_hot": {
        "en": "{clock} of {most} MHz: held down by {reasons} at {degrees} °C",
        "zh": "{clock} MHz（最高 {most} MHz）：因 {reasons} 降频，{degrees} °C",
    },
    "clocks_power": {"en": "it may draw {watts} W, its default is {usual} W", "zh": "功率上限 {watts} W，默认 {usual} W"},
    "clocks_set": {
        "en": "{clock} of {most} MHz at {load} % load: somebody set its clocks",
        "zh": "{clock} MHz（最高 {most} MHz），负载 {load} %：时钟被手动设定",
    },
    "clocks_untold": {"en": "the GPU does not tell its clocks, or why they are lowered", "zh": "GPU 不提供时钟或降频原因"},
    "gpu_memory_free": {"en": "{used} of {total} in use", "zh": "共 {total}，已用 {used}"},
    "gpu_memory_ours": {
        "en": "{used} of {total} in use, the running house's among it",
        "zh": "共 {total}，已用 {used}，含正在运行的系统",
    },
    "gpu_memory_held": {"en": "{used} of {total} are in use by others: {who}", "zh": "共 {total}，其他进程已用 {used}：{who}"},
    "gpu_memory_orphans": {
        "en": "{used} of {total} are in use by processes of a dead run: {who}", "zh": "共 {total}，残留进程已用 {used}：{who}",
    },
    "gpu_memory_untold": {"en": "the GPU does not tell its memory", "zh": "GPU 不提供显存读数"},
    "mode": {"en": "compute mode {mode}", "zh": "计算模式 {mode}"},
    "mode_untold": {"en": "the GPU does not tell its compute mode", "zh": "GPU 不提供计算模式"},
    "peers": {"en": "each of {count} GPUs reaches the others' memory", "zh": "{count} 块 GPU 可互访显存"},
    "peers_barred": {"en": "not direct: {words}", "zh": "不能直接互访：{words}"},
    "peers_untold": {"en": "the driver does not tell it of {count} pairs", "zh": "驱动未给出 {count} 对 GPU 的互访能力"},
    "torch_alone": {
        "en": "{torch}, built for CUDA {built}; without a driver it computes on the processor",
        "zh": "{torch}，为 CUDA {built} 构建；没有驱动，使用处理器计算",
    },
    "torch_cpu": {"en": "{torch}, built for processors", "zh": "{torch}，CPU 版本"},
    "torch_cuda": {
        "en": "{torch}, built for CUDA {built}; driver {driver} runs up to {theirs}",
        "zh": "{torch}，为 CUDA {built} 构建；驱动 {driver} 最高支持 {theirs}",
    },
    "torch_without_cuda": {
        "en": "{torch} is built for processors: the GPUs would not be used", "zh": "{torch} 是 CPU 版本：不会使用 GPU",
    },
    "torch_newer": {
        "en": "{torch} is built for CUDA {built}, driver {driver} runs only up to {theirs}: the GPUs cannot be used",
        "zh": "{torch} 为 CUDA {built} 构建，驱动 {driver} 最高只支持 {theirs}：无法使用 GPU",
    },
    "torch_little_newer": {
        "en": "{torch} is built for CUDA {built}, driver {driver} is of {theirs}: most works, kernels compiled here may not",
        "zh": "{torch} 为 CUDA {built} 构建，驱动 {driver} 为 {theirs}：多数可用，现场编译的内核可能失败",
    },
}  # fmt: skip

_INSTALL_DRIVER = {
    "en": "Install the driver (nvidia-smi must answer); in a container start it with --gpus all.",
    "zh": "安装驱动（nvidia-smi 须有响应）；容器请用 --gpus all 启动。",
}
_ENTRIES = {
    "en": "Write numbers of nvidia-smi -L or whole UUIDs, each once: {variable}=0,1. To compute on the processor: {device}=cpu",
    "zh": "写 nvidia-smi -L 中的编号或完整 UUID，每个一次：{variable}=0,1。若要用处理器计算：{device}=cpu",
}
_ASK_AGAIN = {
    "en": "Nothing can be done where driver or virtual machine keeps it to itself; nvidia-smi -q shows what it tells.",
    "zh": "驱动或虚拟机不提供时无法处理；nvidia-smi -q 可查看其提供的信息。",
}
_TORCH = {
    "en": "Update the driver, or install a PyTorch built for CUDA {theirs} or older (docs/install.md).",
    "zh": "更新驱动，或安装为 CUDA {theirs} 或更早版本构建的 PyTorch（docs/install.md）。",
}
GPU_REMEDIES: dict[str, Words] = {
    "driver_lost": {
        "en": "Look at dmesg for Xid lines; a reset (nvidia-smi -r) or a restart of the machine brings it back.",
        "zh": "查看 dmesg 中的 Xid；重置（nvidia-smi -r）或重启机器可恢复。",
    },
    "driver_wanted": {"en": "Use --model pocket, or a machine with a GPU.", "zh": "使用 --model pocket，或换有 GPU 的机器。"},
    "driver_missing": _INSTALL_DRIVER,
    "driver_mismatch": {"en": "Restart the machine, or reload the kernel module.", "zh": "重启机器，或重新加载内核模块。"},
    "driver_no_rights": {
        "en": "Give this user the right to /dev/nvidia* (group video or render).",
        "zh": "授予当前用户访问 /dev/nvidia* 的权限（video 或 render 组）。",
    },
    "driver_fails": _INSTALL_DRIVER,
    "visible_none": _ENTRIES,
    "visible_cut": _ENTRIES,
    "visible_twice": _ENTRIES,
    "visible_instance": {
        "en": "Name whole GPUs, or give the house this one alone: one slot.",
        "zh": "请指定整块 GPU，或只用这一个实例（一个槽位）。",
    },
    "gpu_lost": {
        "en": "Look at nvidia-smi and dmesg (Xid), or leave it out: {variable} with the others.",
        "zh": "查看 nvidia-smi 和 dmesg（Xid），或在 {variable} 中只写其余 GPU。",
    },
    "link_slow": {
        "en": "Look at the slot and its setting in the firmware (PCIe speed), and at risers.",
        "zh": "检查插槽、固件中的 PCIe 速率设置和转接线。",
    },
    "link_narrow": {
        "en": "Seat the card anew, and look whether another card takes lanes of this slot.",
        "zh": "重新插紧显卡，并检查是否有其他卡占用通道。",
    },
    "link_load_untold": {
        "en": "Look again while a video is made: nvidia-smi -q -d PERFORMANCE",
        "zh": "请在生成视频时再看：nvidia-smi -q -d PERFORMANCE",
    },
    "link_untold": _ASK_AGAIN,
    "clocks_hot": {"en": "Look at fans, dust, the room's air and the power cables.", "zh": "检查风扇、灰尘、机房散热和供电线。"},
    "clocks_power": {
        "en": "If nobody meant it: nvidia-smi -pl {usual:.0f} (as root).",
        "zh": "若非有意：nvidia-smi -pl {usual:.0f}（需 root）。",
    },
    "clocks_set": {
        "en": "If nobody meant it: nvidia-smi -rac and nvidia-smi -rgc (as root).",
        "zh": "若非有意：nvidia-smi -rac 与 nvidia-smi -rgc（需 root）。",
    },
    "clocks_untold": _ASK_AGAIN,
    "gpu_memory_held": {
        "en": "Stop them, or leave this GPU out with CUDA_VISIBLE_DEVICES: the house reckons with all of its memory.",
        "zh": "停止它们，或用 CUDA_VISIBLE_DEVICES 排除此 GPU：系统按全部显存规划。",
    },
    "gpu_memory_orphans": {
        "en": "role_scheduler serve ends them when it starts.",
        "zh": "role_scheduler serve 启动时会终止它们。",
    },
    "gpu_memory_untold": _ASK_AGAIN,
    "mode": {
        "en": "Vault, worker and standby share a GPU: nvidia-smi -c DEFAULT (as root).",
        "zh": "vault、工作进程和待命进程共用 GPU：nvidia-smi -c DEFAULT（需 root）。",
    },
    "mode_untold": _ASK_AGAIN,
    "peers_barred": {
        "en": "One video per GPU does not need it. Several GPUs for one video would go through host memory: NCCL_P2P_DISABLE=1",
        "zh": "每块 GPU 各做一个视频时不需要；多 GPU 合作时改走主机内存：NCCL_P2P_DISABLE=1",
    },
    "peers_untold": _ASK_AGAIN,
    "torch_without_cuda": {
        "en": "Install a build with CUDA (docs/install.md), or say that the processor is meant: GREENROOM_DEVICE=cpu",
        "zh": "安装带 CUDA 的版本（docs/install.md）；若确实要用处理器：GREENROOM_DEVICE=cpu",
    },
    "torch_newer": _TORCH,
    "torch_little_newer": _TORCH,
}  # fmt: skip
