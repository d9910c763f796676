//! Writes the log of a run: what became of each packet, and each packet that the program sent by a
//! raw socket. Each has one JSON object on a line.

use super::Destination;
use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use ipq_core::PacketId;
use ipq_sim::Fate;
use ipq_sim::programs::run::{CaptureTime, NotFed, OwnPacket, PacketReport, Refusal, VerdictReport};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

pub(super) struct Log {
    destination: Destination,
    /// The line that is being put together, kept for its memory.
    line: Vec<u8>,
}

impl Log {
    pub(super) fn new(destination: Destination) -> Self {
        Self {
            destination,
            line: Vec::new(),
        }
    }

    pub(super) fn packet(&mut self, packet: &PacketReport) -> io::Result<()> {
        self.write("packet", packet.index, packet.record.time, &Rest::of(packet))
    }

    pub(super) fn own_packet(&mut self, packet: &OwnPacket) -> io::Result<()> {
        self.write("own_packet", packet.number, packet.time, &Own::of(packet))
    }

    /// Writes a line of the log: `number` under the key `kind`, then `time`, then the fields of
    /// `rest`.
    fn write(&mut self, kind: &str, number: u64, time: CaptureTime, rest: &impl Serialize) -> io::Result<()> {
        let line = &mut self.line;
        fill(line, kind, number, time, rest)?;
        self.destination.write(|_| Ok(()), |file| file.write_all(line))
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.destination.flush(|_| Ok(()))
    }
}

/// Replaces the content of `line` by a line of the log: `number` under the key `kind`, then `time`,
/// then the fields of `rest`.
fn fill(line: &mut Vec<u8>, kind: &str, number: u64, time: CaptureTime, rest: &impl Serialize) -> io::Result<()> {
    line.clear();
    // Written by hand: the time can have more digits than a number of the serializer holds.
    write!(line, r#"{{"{kind}":{number},"time":{time}"#)?;
    let start = line.len();
    serde_json::to_writer(&mut *line, rest)?;
    // The rest is a JSON object of its own. Its opening brace becomes a comma.
    line[start] = b',';
    line.push(b'\n');
    Ok(())
}

/// A line about a packet of the capture, after the packet's number and time. The addresses, the
/// packet id and the refusals are left out where there are none.
#[derive(Serialize)]
struct Rest<'a> {
    fate: Cow<'static, str>,
    #[serde(flatten)]
    addresses: Option<Addresses>,
    /// The packet id, written as text: most readers of JSON can't hold a number of 64 bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    packet_id: Option<Shown<PacketId>>,
    verdicts: Verdicts<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "refusals")]
    refused: &'a [Refusal],
}

/// A line about a packet that the program sent itself, after the packet's number and time.
#[derive(Serialize)]
struct Own {
    fate: &'static str,
    #[serde(flatten)]
    addresses: Option<Addresses>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<u32>,
    /// The reason why the packet can't be written to the file of `--out`; `None` if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_written: Option<Shown<NotFed>>,
}

impl Own {
    fn of(packet: &OwnPacket) -> Self {
        Self {
            fate: "sent by the program",
            addresses: packet.packet.as_ref().ok().and_then(|packet| Addresses::of(packet)),
            mark: packet.mark,
            not_written: packet.packet.as_ref().err().map(|reason| Shown(*reason)),
        }
    }
}

#[derive(Serialize)]
struct Addresses {
    length: usize,
    source: IpAddr,
    destination: IpAddr,
    #[serde(serialize_with = "shown")]
    protocol: Protocol,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_port: Option<u16>,
}

/// The protocol that an IP packet carries, written as its short name, or as its number if it has no
/// name.
struct Protocol(etherparse::IpNumber);

impl Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.keyword_str() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0.0),
        }
    }
}

/// An error number, written as its C name, or as the number if it has no name.
struct Name(ipq_core::Errno);

impl Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0.0),
        }
    }
}

struct Verdicts<'a>(&'a [VerdictReport]);

impl Serialize for Verdicts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Given {
            #[serde(serialize_with = "shown")]
            verdict: ipq_core::Verdict,
            replaced: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            mark: Option<u32>,
            after_microseconds: f64,
        }
        serializer.collect_seq(self.0.iter().map(|verdict| Given {
            verdict: verdict.verdict,
            replaced: verdict.replaced,
            mark: verdict.mark,
            after_microseconds: verdict.after.div_duration_f64(Duration::from_micros(1)),
        }))
    }
}

fn refusals<S: Serializer>(refusals: &[Refusal], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Refused {
        #[serde(serialize_with = "shown")]
        message: ipq_sim::programs::run::Request,
        #[serde(serialize_with = "shown")]
        errno: Name,
        #[serde(skip_serializing_if = "Option::is_none")]
        requirement: Option<&'static str>,
    }
    serializer.collect_seq(refusals.iter().map(|refusal| Refused {
        message: refusal.request,
        errno: Name(refusal.errno),
        requirement: refusal.requirement.map(|requirement| requirement.id),
    }))
}

/// A value that is serialized as its text.
struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn shown<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl<'a> Rest<'a> {
    fn of(packet: &'a PacketReport) -> Self {
        let fate = match (&packet.fate, &packet.record.packet) {
            (Some(Fate::Queued), _) => "still queued".into(),
            (Some(Fate::Dropped(reason)), _) => format!("dropped: {reason}").into(),
            (Some(Fate::DeliveredHere(_) | Fate::Sent { .. }), _) => match packet.unqueued {
                Some(reason) => format!("passed: {reason}").into(),
                None => "accepted".into(),
            },
            (None, Err(reason)) => format!("not fed: {reason}").into(),
            (None, Ok(_)) => "not fed".into(),
        };
        let fed = packet.record.packet.as_ref().ok();
        Self {
            fate,
            addresses: fed.and_then(|packet| Addresses::of(&packet.data)),
            packet_id: packet.packet_id.map(Shown),
            verdicts: Verdicts(&packet.verdicts),
            refused: &packet.refusals,
        }
    }
}

impl Addresses {
    /// Returns the length, the addresses and the protocol of an IP packet, and the ports if its TCP
    /// or UDP header can be read. Returns `None` if the bytes are no IP packet.
    fn of(bytes: &[u8]) -> Option<Self> {
        let packet = LaxSlicedPacket::from_ip(bytes).ok()?;
        let (source, destination): (IpAddr, IpAddr) = match packet.net.as_ref()? {
            LaxNetSlice::Ipv4(packet) => {
                let header = packet.header();
                (header.source_addr().into(), header.destination_addr().into())
            }
            LaxNetSlice::Ipv6(packet) => {
                let header = packet.header();
                (header.source_addr().into(), header.destination_addr().into())
            }
            LaxNetSlice::Arp(_) => return None,
        };
        let ports = match &packet.transport {
            Some(TransportSlice::Udp(udp)) => Some((udp.source_port(), udp.destination_port())),
            Some(TransportSlice::Tcp(tcp)) => Some((tcp.source_port(), tcp.destination_port())),
            _ => None,
        };
        Some(Self {
            length: bytes.len(),
            source,
            destination,
            protocol: Protocol(packet.net.as_ref()?.ip_payload_ref()?.ip_number),
            source_port: ports.map(|(source, _)| source),
            destination_port: ports.map(|(_, destination)| destination),
        })
    }
}

#[cfg(test)]
mod tests;
