//! Sentences about loading a model from a hub, and about its weights.

use vram_core::hub::{LONGEST_CONFIG, PATIENCE, Repository, Trouble};
use vram_core::model::weights::{Comparison, Evidence, Group};

use crate::{Lang, format_count};

/// Why a hub gave no configuration, and what can be done.
pub(crate) fn trouble(trouble: Trouble, id: &str, hub: &str, lang: Lang) -> String {
    let most = format_count(LONGEST_CONFIG);
    match (trouble, lang) {
        (Trouble::Gated, Lang::En) => format!(
            "\"{id}\" is gated or private on {hub} (or does not exist there): its config.json is only given to those who are signed in and have been let in. Download it there and paste it here; the command also takes a token in HF_TOKEN."
        ),
        (Trouble::Gated, Lang::Zh) => format!(
            "{hub} 上的“{id}”需要授权或为私有（也可能并不存在）：登录并获准后才能读取其 config.json。请在那里下载后粘贴到这里；命令行也可以通过环境变量 HF_TOKEN 提供令牌。"
        ),
        (Trouble::Missing, Lang::En) => format!(
            "{hub} has no \"{id}\" with a config.json in that revision. Check the spelling: names are owner/name."
        ),
        (Trouble::Missing, Lang::Zh) => {
            format!("{hub} 上没有“{id}”，或该版本中没有 config.json。请检查拼写：名称的形式是“所有者/名称”。")
        }
        (Trouble::Refused(status), Lang::En) => {
            format!(
                "{hub} did not give the config.json of \"{id}\": it answered with status {status}. Try again later."
            )
        }
        (Trouble::Refused(status), Lang::Zh) => {
            format!("{hub} 没有给出“{id}”的 config.json：返回的状态码是 {status}。请稍后再试。")
        }
        (Trouble::Unreachable, Lang::En) => format!(
            "{hub} could not be reached for \"{id}\": there is no network, no such host, or it does not allow other sites to ask. A config.json can be pasted instead."
        ),
        (Trouble::Unreachable, Lang::Zh) => format!(
            "无法连接 {hub} 读取“{id}”：没有网络、没有这个主机，或它不允许其他网站访问。也可以直接粘贴 config.json。"
        ),
        (Trouble::Slow, Lang::En) => {
            format!(
                "{hub} did not answer for \"{id}\" within {PATIENCE} seconds. Try again, or paste the config.json."
            )
        }
        (Trouble::Slow, Lang::Zh) => {
            format!("{hub} 在 {PATIENCE} 秒内没有返回“{id}”的内容。请重试，或粘贴 config.json。")
        }
        (Trouble::TooLong, Lang::En) => format!(
            "The answer of {hub} for \"{id}\" is longer than {most} bytes, which no config.json is; reading stopped there."
        ),
        (Trouble::TooLong, Lang::Zh) => {
            format!("{hub} 对“{id}”的返回超过 {most} 字节，不可能是 config.json，因此停止读取。")
        }
        (Trouble::NoConfiguration, Lang::En) => {
            format!("The answer of {hub} for \"{id}\" is no config.json: it is not a JSON object.")
        }
        (Trouble::NoConfiguration, Lang::Zh) => {
            format!("{hub} 对“{id}”的返回不是 config.json：它不是一个 JSON 对象。")
        }
    }
}

/// What will be asked of whom, before it is.
pub fn will_ask(repository: &Repository, lang: Lang) -> String {
    let (hub, address) = (repository.hub(), repository.address("config.json"));
    match lang {
        Lang::En => format!(
            "Load asks {hub} for {address}. It sees your IP address and the model's name; your settings are not sent, nor any token."
        ),
        Lang::Zh => format!(
            "点击“加载”会向 {hub} 请求 {address}。对方会看到你的 IP 地址和模型名称；不会发送你的设置，也不会发送令牌。"
        ),
    }
}

/// What files of weights say of the parameters that are counted.
pub fn evidence(evidence: &Evidence, lang: Lang) -> String {
    match evidence {
        Evidence::Tensors(of) => comparison(of, lang),
        Evidence::Bytes { total, counted } => bytes(*total, *counted, lang),
    }
}

fn bytes(total: u64, counted: u64, lang: Lang) -> String {
    let each = [4, 2, 1].into_iter().find(|size| counted.saturating_mul(*size) == total);
    let (shown, parameters) = (format_count(total), format_count(counted));
    match (each, lang) {
        (Some(each), Lang::En) => {
            format!(
                "The index of the weights says {shown} bytes: exactly {each} for each of the {parameters} parameters counted here."
            )
        }
        (Some(each), Lang::Zh) => {
            format!("权重索引记录共 {shown} 字节：正好是这里计入的 {parameters} 个参数每个 {each} 字节。")
        }
        (None, Lang::En) => {
            format!(
                "The index of the weights says {shown} bytes, which is not 4, 2 or 1 for each of the {parameters} parameters counted here: the dtypes are mixed, or tensors differ. The files' headers would tell."
            )
        }
        (None, Lang::Zh) => {
            format!(
                "权重索引记录共 {shown} 字节，与这里计入的 {parameters} 个参数每个 4、2 或 1 字节都不相符：可能混用了多种精度，或张量有出入；各文件的文件头可以说明。"
            )
        }
    }
}

/// The counts of a file of weights and of the estimator, and what differs.
fn comparison(comparison: &Comparison, lang: Lang) -> String {
    let Comparison { in_file, counted, buffers, dtypes, only_in_file, only_counted } = comparison;
    let [theirs, ours, buffers_shown] = [*in_file, *counted, *buffers].map(format_count);
    let kinds: Vec<String> =
        dtypes.iter().map(|(dtype, count)| format!("{dtype} {}", format_count(*count))).collect();
    let mut sentences = match lang {
        Lang::En if comparison.agrees() => format!(
            "The file of weights has {theirs} parameters, exactly as many as are counted here ({}).",
            kinds.join(", ")
        ),
        Lang::Zh if comparison.agrees() => {
            format!("权重文件中有 {theirs} 个参数，与这里的计数完全一致（{}）。", kinds.join("、"))
        }
        Lang::En => format!(
            "The file of weights has {theirs} parameters ({}); {ours} are counted here, {} {}.",
            kinds.join(", "),
            format_count(in_file.abs_diff(*counted)),
            if in_file > counted { "fewer" } else { "more" }
        ),
        Lang::Zh => format!(
            "权重文件中有 {theirs} 个参数（{}）；这里计为 {ours} 个，{} {} 个。",
            kinds.join("、"),
            if in_file > counted { "少" } else { "多" },
            format_count(in_file.abs_diff(*counted))
        ),
    };
    let mut add = |is_said: bool, en: &dyn Fn() -> String, zh: &dyn Fn() -> String| {
        if is_said {
            sentences.push_str(&match lang {
                Lang::En => en(),
                Lang::Zh => zh(),
            });
        }
    };
    add(!only_in_file.is_empty(), &|| format!(" Only in the file: {}.", groups(only_in_file, ", ")), &|| {
        format!("仅在文件中：{}。", groups(only_in_file, "、"))
    });
    add(
        !only_counted.is_empty(),
        &|| format!(" Only counted here: {}.", groups(only_counted, ", ")),
        &|| format!("仅在这里计入：{}。", groups(only_counted, "、")),
    );
    add(
        *buffers > 0,
        &|| format!(" {buffers_shown} more elements are buffers, which are not trained."),
        &|| format!("另有 {buffers_shown} 个元素属于缓冲区，不参与训练。"),
    );
    sentences
}

/// The first few groups, by name and size.
fn groups(groups: &[Group], between: &str) -> String {
    const SHOWN: usize = 6;
    let mut shown: Vec<String> = groups
        .iter()
        .take(SHOWN)
        .map(|group| {
            format!(
                "{} ({} × {})",
                group.name,
                group.copies,
                format_count(group.elements / group.copies.max(1))
            )
        })
        .collect();
    if groups.len() > SHOWN {
        shown.push(format!("… (+{})", groups.len() - SHOWN));
    }
    shown.join(between)
}
