//! `decode`: explains netlink messages frame by frame, and names the rules that a frame breaks.

mod capture;
mod findings;
mod hexdump;
mod layout;

use super::{DecodeArguments, DecodeFormat, End, Failure, standard_output, unable};
use crate::decode::{Kind, fields, nfnetlink, summary, write_field};
use crate::suite::requirements::Requirement;
use crate::{vectors, world::order_word};
use findings::{Finding, findings};
use ipq_core::wire::{Abi, Header};
use layout::layout;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

/// The most bytes that a file may have, and the most that the frames of a hex dump may have
/// together.
const MOST_BYTES: usize = 64 << 20;

/// The most lines of a frame's fields that the report for people shows: enough for the frame's
/// headers.
const MOST_LINES: usize = 64;

/// The file name that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// A netlink datagram from a file, with its time, direction and netlink protocol as far as they are
/// known.
#[derive(Clone, Debug, Default, PartialEq)]
struct Frame {
    /// The number of the frame's record in the capture, or of the frame in the hex dump, from 1.
    number: usize,
    /// The time since the epoch at which the datagram was captured; `None` if the file does not
    /// state it.
    time: Option<Duration>,
    to_kernel: Option<bool>,
    /// The number of the netlink protocol; `None` if the file does not state it.
    protocol: Option<u16>,
    bytes: Vec<u8>,
    /// The reason why bytes at the datagram's end are missing; `None` if it is whole.
    cut: Option<String>,
}

/// The netlink messages of a file, and what else was found in it.
#[derive(Debug, Default, PartialEq)]
struct Contents {
    frames: Vec<Frame>,
    /// The number of records in the file that are no netlink messages.
    others: usize,
    /// The reason why the file can't be read to its end; `None` if it could.
    damage: Option<String>,
}

pub(super) fn decode(arguments: &DecodeArguments) -> Result<End, Failure> {
    let path = &arguments.file;
    let bytes = read(path)?;
    let frames = if capture::begins(&bytes) {
        capture::frames(&bytes)
    } else {
        hexdump::frames(&bytes)
    };
    let Contents { frames, others, damage } =
        frames.map_err(|problem| unable(format_args!("{}: {problem}", path.display())))?;
    let candidates: Vec<_> = Abi::ALL.into_iter().filter(|abi| arguments.allows(*abi)).collect();
    let abi = layout(&frames, &candidates);
    let mut output = standard_output();
    let mut broken = 0;
    for frame in &frames {
        let findings = findings(frame, abi);
        broken += usize::from(!findings.is_empty());
        match arguments.format {
            DecodeFormat::Human => write_human(&mut output, frame, abi, &findings)?,
            DecodeFormat::Json => writeln!(output, "{}", Value::Object(to_json(frame, abi, &findings)))?,
        }
    }
    let counts = [frames.len(), broken, others];
    write_end(&mut output, arguments.format, counts, damage.as_deref())?;
    Ok(match (damage, broken) {
        (Some(problem), _) => return Err(unable(format_args!("{}: {problem}", path.display()))),
        (None, _) if frames.is_empty() => End::Nothing,
        (None, 0) => End::Good,
        (None, _) => End::Bad,
    })
}

impl DecodeArguments {
    fn allows(&self, abi: Abi) -> bool {
        let word = self.word_bytes.as_deref();
        let word = word.is_none_or(|bytes| bytes == abi.word_bytes().to_string());
        let order = self.byte_order.as_deref();
        let order = order.is_none_or(|order| order == order_word(abi.order));
        word && order
    }
}

/// Reads a whole file, or standard input for the name `-`. Fails if it can't be read or has more
/// than 64 MiB.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = path.display();
    let input: io::Result<Box<dyn Read>> = if path.as_os_str() == STANDARD_INPUT {
        Ok(Box::new(io::stdin()))
    } else {
        File::open(path).map(|file| Box::new(file) as _)
    };
    let mut bytes = Vec::new();
    input
        .and_then(|input| input.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| {
            unable(format_args!(
                "{name} can't be read: {error}; name a capture or a hex dump, or - for standard input"
            ))
        })?;
    if bytes.len() > MOST_BYTES {
        return Err(unable(format_args!(
            "{name} has more than {MOST_BYTES} bytes: cut it, for instance with `editcap -c 10000`"
        )));
    }
    Ok(bytes)
}

fn write_human(output: &mut impl Write, frame: &Frame, abi: Abi, findings: &[Finding]) -> io::Result<()> {
    let time = frame.time.map(|time| format!("{:.6} s", time.as_secs_f64()));
    let way = frame
        .to_kernel
        .map(|to_kernel| if to_kernel { "to the kernel" } else { "to a program" });
    let protocol = frame.protocol.map(protocol_name);
    let bytes = format!("{} bytes", frame.bytes.len());
    let about = [
        time,
        way.map(str::to_owned),
        protocol,
        Some(bytes),
        Some(layout_name(abi)),
    ];
    let about: Vec<_> = about.into_iter().flatten().collect();
    writeln!(output, "frame {}: {}", frame.number, about.join(", "))?;
    writeln!(output, "  {}", summary(&frame.bytes, abi))?;
    let mut text = String::new();
    for field in fields(&frame.bytes, Kind::Netlink(abi)) {
        write_field(&mut text, ' ', &field, &frame.bytes);
    }
    for line in text.lines().take(MOST_LINES) {
        writeln!(output, "  {line}")?;
    }
    if let Some(more) = text.lines().count().checked_sub(MOST_LINES + 1) {
        writeln!(output, "    ({} more lines, which --format json has)", more + 1)?;
    }
    if let Some(cut) = &frame.cut {
        writeln!(output, "  not whole: {cut}")?;
    }
    for Finding { rule, what } in findings {
        writeln!(output, "  breaks {rule}: {what}")?;
        let sentence = Requirement::named(rule).map_or("", |requirement| requirement.text);
        writeln!(output, "    the rule: {sentence}")?;
    }
    writeln!(output)
}

fn write_end(
    output: &mut impl Write,
    format: DecodeFormat,
    counts: [usize; 3],
    damage: Option<&str>,
) -> io::Result<()> {
    let [frames, broken, others] = counts;
    if matches!(format, DecodeFormat::Json) {
        let summary = json!({ "frames": frames, "broken": broken, "others": others, "damage": damage });
        return writeln!(output, "{}", json!({ "summary": summary }));
    }
    let others = match others {
        0 => String::new(),
        1 => ", 1 record that is no netlink message".to_owned(),
        _ => format!(", {others} records that are no netlink messages"),
    };
    let plural = if frames == 1 { "" } else { "s" };
    let breaks = if broken == 1 { "breaks" } else { "break" };
    writeln!(
        output,
        "{frames} frame{plural}, of which {broken} {breaks} a rule{others}"
    )
}

/// Returns the JSON line for a frame, with its bytes and fields, and the rules that it breaks.
/// Unless it is a message of `nfnetlink_queue`, it also has the keys `header`, `message` and
/// `refused`, as far as the command `vectors` prints them for such a frame.
fn to_json(frame: &Frame, abi: Abi, findings: &[Finding]) -> Map<String, Value> {
    let mut line = Map::new();
    let mut add = |key: &str, value: Value| line.insert(key.into(), value);
    add("frame", json!(frame.number));
    add("time", json!(frame.time.map(|time| time.as_secs_f64())));
    add("to_kernel", json!(frame.to_kernel));
    add("protocol", json!(frame.protocol));
    add("word_bytes", json!(abi.word_bytes()));
    add("byte_order", json!(order_word(abi.order)));
    add("hex", json!(hex::encode(&frame.bytes)));
    add("summary", json!(summary(&frame.bytes, abi)));
    let fields = fields(&frame.bytes, Kind::Netlink(abi)).into_iter().map(
        |field| json!({ "at": field.at.start, "bytes": field.at.len(), "name": field.name, "value": field.value }),
    );
    add("fields", fields.collect());
    let broken = findings
        .iter()
        .map(|Finding { rule, what }| json!({ "rule": rule, "what": what }));
    add("breaks", broken.collect());
    add("cut", json!(frame.cut));
    if !is_numbered(&frame.bytes, abi) {
        // The word for a refusal is one for parsers. The rule is already among those that the frame
        // breaks.
        let mut meaning = vectors::read(&frame.bytes, abi);
        meaning.retain(|key, _| ["header", "message", "refused"].contains(&key.as_str()));
        line.extend(meaning);
    }
    line
}

/// Returns whether a datagram begins with a message of `nfnetlink_queue`.
fn is_numbered(bytes: &[u8], abi: Abi) -> bool {
    Header::parse(bytes, abi).is_some_and(|header| nfnetlink::is_type(header.message_type.to_wire()))
}

fn protocol_name(protocol: u16) -> String {
    match protocol {
        3 => "ip_queue".to_owned(),
        13 => "ip6_queue".to_owned(),
        12 => "nfnetlink".to_owned(),
        other => format!("netlink protocol {other}, which is no queue's"),
    }
}

fn layout_name(abi: Abi) -> String {
    format!("{}-byte words, {}-endian", abi.word_bytes(), order_word(abi.order))
}

#[cfg(test)]
mod tests;
