//! Replays the recordings of `ip_queue` in real kernels on the model.

use crate::compare::id_range;
use crate::model::Model;
use crate::model::rules::Rules;
use crate::step::{Answer, DEVICES, Rule, Setup, Step};
use ipq_core::Family;
use ipq_core::wire::Abi;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// A recorded scenario that is being replayed on the model.
struct Replay {
    model: Model,
    abi: Abi,
    sockets: HashMap<String, usize>,
    /// For each recorded packet id, the model's id, as learnt from the PACKET frames that were
    /// read.
    ids: HashMap<Vec<u8>, Vec<u8>>,
}

/// The result of replaying all recordings: the number of scenarios, and the differences.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) scenarios: usize,
    pub(crate) differences: Vec<Difference>,
}

/// The first step of a scenario at which the model's answer is not the recorded one.
#[derive(Debug)]
pub(crate) struct Difference {
    /// The kernel's version and the scenario's name.
    pub(crate) scenario: String,
    pub(crate) step: usize,
    #[expect(dead_code, reason = "it is there to be printed")]
    answers: Box<(Answer, Answer)>,
}

/// Replays every recording of `ip_queue` in the repository's folder `fixtures/recordings`.
pub(crate) fn replay_all() -> Replayed {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/recordings");
    let files = directory.read_dir().expect("the recordings are beside this package");
    let files = files.map(|file| file.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    let mut replayed = Replayed::default();
    for file in files {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let scenario: Value = serde_json::from_str(line).unwrap();
            if scenario["queues"] == "nfnetlink" {
                continue;
            }
            replayed.scenarios += 1;
            replayed.differences.extend(Replay::new(&scenario).run(&scenario).err());
        }
    }
    replayed
}

impl Replay {
    fn new(scenario: &Value) -> Self {
        let rules = scenario["rules"].as_array().unwrap().iter().map(rule).collect();
        let text = |key: &str| scenario[key].as_str().unwrap();
        let kernel = Rules::of(&format!("linux-{}-{}", text("kernel"), text("arch"))).kernel;
        let process_id = scenario["process_id"].as_u64().map_or(4242, |id| id as u32);
        let model = Model::new(&Setup {
            kernel,
            rules,
            process_id,
            peer_died: peer_died(scenario),
        });
        Self {
            abi: model.abi(),
            model,
            sockets: HashMap::new(),
            ids: HashMap::new(),
        }
    }

    /// Does the steps on the model, up to the first whose answer differs from the recorded one.
    fn run(&mut self, scenario: &Value) -> Result<(), Difference> {
        for (number, recorded) in scenario["steps"].as_array().unwrap().iter().enumerate() {
            let Some(step) = self.step(recorded) else {
                continue;
            };
            let own = self.model.step(&step);
            self.learn(&own, recorded);
            let (seen, expected) = (self.comparable(&own), self.comparable(&answer(recorded)));
            if seen != expected {
                let text = |key: &str| scenario[key].as_str().unwrap();
                return Err(Difference {
                    scenario: format!("{} {}", text("kernel"), text("name")),
                    step: number + 1,
                    answers: Box::new((seen, expected)),
                });
            }
        }
        Ok(())
    }

    /// Returns the model's step for a recorded step. Returns `None` if its bytes were not recorded.
    fn step(&mut self, recorded: &Value) -> Option<Step> {
        let next = self.sockets.len();
        let socket = match recorded["socket"].as_str() {
            Some(name) => *self.sockets.entry(name.to_owned()).or_insert(next),
            None => next,
        };
        let device = || DEVICES.iter().position(|name| recorded["device"] == *name).unwrap();
        Some(match recorded["op"].as_str().unwrap() {
            "open" => Step::Open {
                socket,
                protocol: recorded["protocol"].as_i64().unwrap() as i32,
                bind: recorded["bind"].as_u64().map(|port_id| port_id as u32),
            },
            "close" => {
                // A name that is used again stands for another socket.
                let name = recorded["socket"].as_str().unwrap();
                let socket = self.sockets.remove(name).unwrap();
                self.sockets.insert(format!("{name} {next}"), socket);
                Step::Close { socket }
            }
            "send" => Step::Send {
                socket,
                to: recorded["to"].as_u64().map(|to| to as u32),
                bytes: self.with_own_id(bytes(&recorded["hex"])?),
                names: None,
            },
            "recv" => Step::Receive {
                socket,
                size: recorded["size"].as_u64().unwrap() as usize,
            },
            "drain" => Step::Drain { socket },
            "rcvbuf" => Step::ReceiveBuffer {
                socket,
                bytes: bits(&recorded["value"]).unwrap(),
            },
            "no_enobufs" => Step::NoEnobufs { socket },
            "inject" => Step::Inject {
                device: device(),
                frame: bytes(&recorded["hex"])?,
                count: recorded["count"].as_u64().unwrap() as u32,
            },
            "output" => Step::Output {
                packet: bytes(&recorded["hex"])?,
            },
            "sniff" => Step::Sniff { device: device() },
            "proc" => Step::Proc {
                family: family_in(&recorded["file"]),
            },
            "sysctl" => Step::Sysctl {
                family: family_in(&recorded["name"]),
                value: recorded["value"].as_str().unwrap().parse().unwrap(),
            },
            "read_sysctl" => Step::ReadSysctl {
                family: family_in(&recorded["name"]),
            },
            "link" => Step::Link {
                device: device(),
                up: recorded["up"].as_bool().unwrap(),
            },
            "net_admin" => Step::NetAdmin {
                held: recorded["held"].as_bool().unwrap(),
            },
            other => panic!("{other} is no op"),
        })
    }

    /// Returns a message with the model's packet id in the place of a recorded one, if the pair is
    /// known.
    fn with_own_id(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let word = self.abi.word_bytes();
        if let Some(place) = bytes.get_mut(16 + word..16 + 2 * word)
            && let Some(id) = self.ids.get(place)
        {
            place.copy_from_slice(id);
        }
        bytes
    }

    /// Learns from a PACKET frame which of the model's ids stands for the recorded id.
    fn learn(&mut self, answer: &Answer, recorded: &Value) {
        let Answer::Frame { bytes: own, sender: 0 } = answer else {
            return;
        };
        let theirs = bytes(&recorded["hex"]).unwrap_or_default();
        if own.get(4..6) != Some(&[0x13, 0]) || theirs.get(4..6) != Some(&[0x13, 0]) {
            return;
        }
        let id = 16..16 + self.abi.word_bytes();
        if let (Some(own), Some(theirs)) = (own.get(id.clone()), theirs.get(id)) {
            self.ids.insert(theirs.to_vec(), own.to_vec());
        }
    }

    /// Returns an answer without what differs from one run of a kernel to the next. Packet ids and
    /// the pad bytes of PACKET frames become 0. A time that is not 0 becomes 1 in each byte.
    fn comparable(&self, answer: &Answer) -> Answer {
        let mut answer = answer.clone();
        let Answer::Frame { bytes, sender: 0 } = &mut answer else {
            return answer;
        };
        let word = self.abi.word_bytes();
        if let Some((id, end)) = id_range(bytes, self.abi)
            && let Some(id) = bytes.get_mut(id.start..id.end.min(end))
        {
            id.fill(0);
        }
        if bytes.get(4..6) == Some(&[0x13, 0]) {
            let end = bytes.len().min(16 + 4 * word);
            if let Some(time) = bytes.get_mut(16 + 2 * word..end) {
                let taken = time.iter().any(|byte| *byte != 0);
                time.fill(u8::from(taken));
            }
            let fixed = 16 + self.abi.packet_message_bytes();
            if let Some(length) = bytes.get(fixed - word..fixed - word + 4) {
                let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
                bytes.iter_mut().skip(fixed + length).for_each(|byte| *byte = 0);
            }
        }
        answer
    }
}

/// Returns `true` if the machine's last peer had been found dead before the first step. This stays
/// in /proc until the next peer comes, so the first text that was recorded shows it.
fn peer_died(scenario: &Value) -> bool {
    let steps = scenario["steps"].as_array().unwrap().iter();
    let mut texts = steps
        .filter(|step| step["file"] == "ip_queue")
        .filter_map(|step| step["text"].as_str());
    texts
        .next()
        .is_some_and(|text| text.contains("Peer died           : 1"))
}

/// Returns the recorded answer of a step, as the model's type.
fn answer(recorded: &Value) -> Answer {
    let errno = recorded["errno"].as_i64().unwrap_or(0) as i32;
    let number = |key: &str| recorded[key].as_u64().map(|number| number as usize);
    match recorded["op"].as_str().unwrap() {
        "open" => Answer::Open {
            failed_at: match recorded["failed_at"].as_str() {
                Some("socket") => Some("socket"),
                Some(_) => Some("bind"),
                None => None,
            },
            errno,
            port_id: bits(&recorded["port_id"]),
        },
        "send" => Answer::Send {
            sent: recorded["sent"].as_i64().unwrap(),
            errno,
        },
        "recv" => match recorded["result"].as_str().unwrap() {
            "nothing" => Answer::Nothing,
            "error" => Answer::Error { errno },
            _ => Answer::Frame {
                bytes: bytes(&recorded["hex"]).unwrap(),
                sender: bits(&recorded["sender"]).unwrap(),
            },
        },
        "drain" => Answer::Drain {
            frames: number("frames").unwrap(),
            packets: number("packets").unwrap(),
            enobufs_before_frame: number("enobufs_before_frame"),
        },
        "rcvbuf" => Answer::BufferSize {
            actual: number("actual").unwrap() as u32,
        },
        "sniff" => Answer::Sniff {
            frame: bytes(&recorded["hex"]),
        },
        // The text of a queue that the kernel does not have was recorded as a newline.
        "proc" => Answer::Text(
            recorded["text"]
                .as_str()
                .filter(|text| *text != "\n")
                .map(str::to_owned),
        ),
        "read_sysctl" => Answer::Text(recorded["value"].as_str().map(str::to_owned)),
        _ => Answer::Done,
    }
}

/// Returns the 32 bits of a number that was recorded signed or unsigned.
fn bits(value: &Value) -> Option<u32> {
    Some((value.as_i64()? as i32).cast_unsigned())
}

fn bytes(hex: &Value) -> Option<Vec<u8>> {
    Some(hex::decode(hex.as_str()?).unwrap())
}

fn family_in(text: &Value) -> Family {
    if text.as_str().unwrap().contains("ip6") {
        Family::Ipv6
    } else {
        Family::Ipv4
    }
}

fn rule(recorded: &Value) -> Rule {
    let chains = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
    Rule {
        family: if recorded["family"] == "ipv6" {
            Family::Ipv6
        } else {
            Family::Ipv4
        },
        filter: recorded["table"] == "filter",
        hook: chains.iter().position(|chain| recorded["chain"] == *chain).unwrap() as u32,
        protocol: recorded["protocol"].as_str().map(|name| match name {
            "udp" => 17,
            "tcp" => 6,
            "icmp" => 1,
            "icmpv6" | "ipv6-icmp" => 58,
            other => panic!("{other} is no protocol"),
        }),
        mark: recorded["mark"].as_u64().map(|mark| mark as u32),
    }
}
