//! Checks a frame against rules of the suite, and describes what breaks them.

use super::Frame;
use crate::decode::nfnetlink::{self, Attribute, about, value};
use crate::vectors;
use ipq_core::Family;
use ipq_core::wire::nfnetlink::{attribute, message_type};
use ipq_core::wire::{
    Abi, CopyMode, ErrorMessage, Flags, Frame as Parsed, Header, Message, MessageType, Objection, PacketMessage,
    PortId, Response, Verdict, VerdictRequest, padding, screen,
};

/// The id of a rule that a frame breaks, such as `MSG-2`, and what is wrong with the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) rule: &'static str,
    pub(super) what: String,
}

/// Returns those of the checked rules that a frame breaks, each with what is wrong. Returns none if
/// the file holds only a part of the frame (`cut`), or if the frame's netlink protocol is known and
/// is not one of the queues'.
pub(super) fn findings(frame: &Frame, abi: Abi) -> Vec<Finding> {
    let mut found = Found(Vec::new());
    // Missing bytes are not the frame's fault.
    if frame.cut.is_some() {
        return found.0;
    }
    let kind = Header::parse(&frame.bytes, abi).map(|header| header.message_type.to_wire());
    match (frame.protocol, kind) {
        (Some(12), _) => found.numbered(frame, abi),
        (None, Some(kind)) if nfnetlink::is_type(kind) => found.numbered(frame, abi),
        (Some(3 | 13) | None, _) => found.ip_queue(frame, abi),
        // The rules say nothing of other protocols.
        (Some(_), _) => {}
    }
    found.0
}

struct Found(Vec<Finding>);

impl Found {
    fn add(&mut self, rule: &'static str, what: impl Into<String>) {
        let what = what.into();
        self.0.push(Finding { rule, what });
    }

    fn check(&mut self, holds: bool, rule: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.add(rule, what());
        }
    }

    fn ip_queue(&mut self, frame: &Frame, abi: Abi) {
        let bytes = &frame.bytes[..];
        let Ok(Parsed { header, body }) = Parsed::parse(bytes, abi) else {
            return self.refused(bytes, abi);
        };
        let from_program = match header.message_type {
            MessageType::Mode | MessageType::Verdict => true,
            _ => frame.to_kernel == Some(true),
        };
        if from_program {
            self.request_header(&header, bytes, abi);
            let after = bytes.len() - header.length as usize;
            self.check(after <= 3, "MSG-11", || {
                format!("{after} bytes follow the message, and no queue looks at them")
            });
            self.check(header.message_type != MessageType::Packet, "MSG-9", || {
                "a program sends a message of type PACKET".into()
            });
        }
        match Message::parse(bytes, abi) {
            Err(_) => self.refused(bytes, abi),
            Ok(Message::Packet(packet)) => self.packet(&header, body, &packet, abi),
            Ok(Message::Mode(request)) => {
                let unknown = matches!(request.mode, CopyMode::Unknown(_));
                self.check(!unknown, "MSG-8", || {
                    format!("there is no copy mode {}", request.mode.to_wire())
                });
            }
            Ok(Message::Verdict(request, following)) => self.verdict(&request, following),
            Ok(Message::Error(error)) => self.answer(&header, &error, abi),
            Ok(Message::Unknown(kind, _)) => {
                self.check(from_program, "WIRE-1", || format!("no message has the type {kind:#x}"));
            }
        }
    }

    /// Adds the rule that `bytes` break if [`Message::parse`] refuses them, with the parser's error
    /// as the description. Adds nothing if it accepts them.
    fn refused(&mut self, bytes: &[u8], abi: Abi) {
        if let Err(error) = Message::parse(bytes, abi) {
            self.add(vectors::refusal(&error).1, error.to_string());
        }
    }

    fn request_header(&mut self, header: &Header, bytes: &[u8], abi: Abi) {
        let objections = std::cell::RefCell::new(Vec::new());
        let _ = screen(bytes, bytes.len(), abi, |objection| {
            objections.borrow_mut().push(objection);
            Response::Overlook
        });
        for objection in objections.into_inner() {
            let (rule, what) = match objection {
                Objection::NoHeader | Objection::Length => continue,
                Objection::KernelPortId => ("MSG-2", "the port id is 0, which is the kernel's own".to_owned()),
                Objection::NegativePortId => (
                    "MSG-2",
                    format!("the port id {} is negative as a signed number", header.port_id),
                ),
                Objection::NoRequestFlag => (
                    "MSG-2",
                    format!("the flags are {:#x}, without REQUEST (1)", header.flags.0),
                ),
                Objection::MultiFlag => ("MSG-2", format!("the flags are {:#x}, with MULTI (2)", header.flags.0)),
                Objection::TruncatedFlag => ("MSG-3", format!("the flags are {:#x}, with 0x20", header.flags.0)),
                _ => (
                    "MSG-4",
                    format!("a program sends a message of type {:#x}", header.message_type.to_wire()),
                ),
            };
            self.add(rule, what);
        }
    }

    fn packet(&mut self, header: &Header, body: &[u8], packet: &PacketMessage<'_>, abi: Abi) {
        self.zero_envelope(header, "WIRE-5");
        let payload = packet.payload().len();
        let after = body.len() - abi.packet_message_bytes() - payload;
        self.check(after == padding(payload), "WIRE-4", || {
            format!(
                "{after} bytes follow the {payload} bytes of packet, and padding to 4 makes it {}",
                padding(payload)
            )
        });
    }

    fn zero_envelope(&mut self, header: &Header, rule: &'static str) {
        let (flags, sequence, port_id) = (header.flags, header.sequence, header.port_id);
        let zero = (flags, sequence, port_id) == (Flags(0), 0, PortId(0));
        self.check(zero, rule, || {
            format!(
                "flags, sequence and port id are {:#x}, {sequence} and {port_id}, not all 0",
                flags.0
            )
        });
    }

    fn verdict(&mut self, request: &VerdictRequest, following: &[u8]) {
        let value = request.verdict.to_wire();
        self.check(value <= 5 && request.verdict != Verdict::Stolen, "VER-1", || {
            format!("the verdict's value is {value:#x}, and can be 0, 1, 3, 4 or 5")
        });
        let (stated, found) = (request.data_len, following.len());
        if stated != found as u64 {
            self.add(
                "VER-5",
                format!("data_len is {stated}, and {found} bytes follow: the queue ignores them as a replacement"),
            );
        } else if found > 0 {
            let family = if following[0] >> 4 == 6 {
                Family::Ipv6
            } else {
                Family::Ipv4
            };
            let least = family.header_length();
            self.check(found >= least, "VER-6", || {
                format!("a replacement of {found} bytes is shorter than a header of {least}, and ignored")
            });
        }
    }

    fn answer(&mut self, header: &Header, error: &ErrorMessage<'_>, abi: Abi) {
        self.check(header.flags == Flags(0), "ERR-2", || {
            format!("the flags are {:#x}, not 0", header.flags.0)
        });
        self.check(error.error <= 0, "WIRE-6", || {
            format!("the error is {}, and can be 0 or a negative errno", error.error)
        });
        let Some(quoted) = error.quoted_header(abi) else {
            let found = error.quoted.len();
            return self.add(
                "WIRE-6",
                format!("a quotation of {found} bytes is shorter than a header"),
            );
        };
        let found = error.quoted.len();
        // Older kernels quote the header alone (ERA-1).
        let whole = error.error != 0 && found == quoted.length as usize;
        self.check(found == Header::BYTES || whole, "ERR-3", || {
            format!(
                "{found} bytes are quoted of a message that has {} by its header",
                quoted.length
            )
        });
        self.check(quoted.sequence == header.sequence, "ERR-2", || {
            format!(
                "the sequence is {}, and the quoted message's {}",
                header.sequence, quoted.sequence
            )
        });
    }

    fn numbered(&mut self, frame: &Frame, abi: Abi) {
        let mut rest = &frame.bytes[..];
        while !rest.is_empty() {
            let Ok(Parsed { header, body }) = Parsed::parse(rest, abi) else {
                let stated = Header::parse(rest, abi).map(|header| header.length);
                let stated = stated.map_or_else(
                    || "no whole header".to_owned(),
                    |length| format!("a length of {length}"),
                );
                return self.add(
                    "NFQ-49",
                    format!("a message has {stated}, and {} bytes are left", rest.len()),
                );
            };
            match header.message_type.to_wire() {
                message_type::ERROR => self.numbered_answer(body, abi),
                kind => self.numbered_message(frame.to_kernel, &header, kind, body, abi),
            }
            let length = header.length as usize;
            rest = rest.get(length + padding(length)..).unwrap_or_default();
        }
    }

    fn numbered_answer(&mut self, body: &[u8], abi: Abi) {
        match ErrorMessage::parse(body, abi) {
            Err(error) => self.add("NFQ-41", error.to_string()),
            Ok(error) => {
                self.check(error.error <= 0, "NFQ-41", || {
                    format!("the error is {}, and can be 0 or a negative number", error.error)
                });
                self.check(error.quoted_header(abi).is_some(), "NFQ-41", || {
                    format!("a quotation of {} bytes is shorter than a header", error.quoted.len())
                });
            }
        }
    }

    fn numbered_message(&mut self, to_kernel: Option<bool>, header: &Header, kind: u16, body: &[u8], abi: Abi) {
        let Some(attributes) = body.get(4..) else {
            let rule = if kind == message_type::PACKET {
                "NFQ-81"
            } else {
                "NFQ-48"
            };
            return self.add(
                rule,
                format!("the message has {} bytes, and every one has 20", header.length),
            );
        };
        let from_program = to_kernel.unwrap_or(kind != message_type::PACKET);
        let (attributes, left) = Attribute::all(attributes, abi.order);
        if from_program {
            self.check(header.flags.contains(Flags::REQUEST), "NFQ-48", || {
                format!("the flags are {:#x}, without REQUEST (1)", header.flags.0)
            });
        }
        self.check(left == 0, if from_program { "NFQ-45" } else { "NFQ-81" }, || {
            format!("the last {left} bytes are no whole attribute")
        });
        for Attribute {
            kind: number, content, ..
        } in &attributes
        {
            let about = about(kind, *number);
            self.check(content.len() >= about.length(), "NFQ-46", || {
                format!(
                    "{} has {} bytes, and needs {}",
                    about.name,
                    content.len(),
                    about.length()
                )
            });
        }
        match kind {
            message_type::PACKET if from_program => self.add("NFQ-47", "a program sends a message of type PACKET"),
            message_type::PACKET => self.numbered_packet(header, &attributes),
            message_type::VERDICT | message_type::VERDICT_BATCH => self.numbered_verdict(&attributes),
            message_type::CONFIG => self.config(&attributes),
            // Messages of these types begin and end a batch, and belong to no subsystem.
            0x10 | 0x11 => {}
            kind => self.add("NFQ-47", format!("the queues have no message of type {kind:#x}")),
        }
    }

    fn numbered_packet(&mut self, header: &Header, attributes: &[Attribute<'_>]) {
        self.zero_envelope(header, "NFQ-80");
        // The order of NFQ-81.
        let order = [1, 5, 7, 6, 8, 3, 21, 9, 4, 16, 17, 13, 14, 10];
        let places = attributes
            .iter()
            .filter_map(|attribute| order.iter().position(|known| *known == attribute.kind));
        self.check(places.is_sorted(), "NFQ-81", || {
            "the attributes are in another order".into()
        });
        let first = attributes.first().map(|attribute| attribute.kind);
        self.check(first == Some(attribute::PACKET_HEADER), "NFQ-81", || {
            "the message does not begin with PACKET_HDR".into()
        });
    }

    fn numbered_verdict(&mut self, attributes: &[Attribute<'_>]) {
        let header = attributes
            .iter()
            .rfind(|attribute| attribute.kind == attribute::VERDICT_HEADER);
        let Some(header) = header else {
            return self.add("NFQ-60", "there is no VERDICT_HDR");
        };
        if let Some(number) = header.content.first_chunk::<4>() {
            let verdict = value(number) & 0xff;
            self.check(verdict <= 5 && verdict != 2, "NFQ-61", || {
                format!("the verdict's value is {verdict}, and can be 0, 1, 3, 4 or 5")
            });
        }
    }

    fn config(&mut self, attributes: &[Attribute<'_>]) {
        let of = |kind| {
            attributes
                .iter()
                .rfind(|attribute| attribute.kind == kind)
                .map(|attribute| attribute.content)
        };
        if let Some(command) = of(attribute::CONFIG_COMMAND).and_then(<[u8]>::first) {
            self.check((1..=4).contains(command), "NFQ-26", || {
                format!("there is no command {command}")
            });
        }
        if let Some(mode) = of(attribute::CONFIG_PARAMETERS).and_then(|content| content.get(4)) {
            self.check(*mode <= 2, "NFQ-30", || format!("there is no copy mode {mode}"));
        }
        if let Some(flags) = of(attribute::CONFIG_FLAGS) {
            self.check(of(attribute::CONFIG_MASK).is_some(), "NFQ-21", || {
                "there are FLAGS and no MASK".into()
            });
            if let Some(flags) = flags.first_chunk::<4>() {
                self.check(value(flags) < 32, "NFQ-22", || {
                    format!("the flags are {:#x}", value(flags))
                });
            }
        }
    }
}
