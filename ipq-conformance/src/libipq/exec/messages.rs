//! The messages of the pipe to a program that calls a libipq: requests and answers, a line of JSON
//! each.

use crate::pipe::{self, VERSION};
use crate::world::{Call, Function, HandleNumber, HandleState, Returned};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A request to the program.
#[derive(Debug, Serialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub(super) enum Request {
    Describe { protocol: u32 },
    Call(CallRequest),
    End,
}

impl pipe::Request for Request {
    type Answer = Answer;

    fn expected(&self) -> &'static str {
        match self {
            Self::Describe { .. } => "{\"answer\":\"description\",\"protocol\":1,\"implementation\":…,\"c_library\":…}",
            Self::Call(call) => match call.function {
                FunctionJson::Read { .. } | FunctionJson::ReadForged { .. } => {
                    "{\"answer\":\"returned\",\"value\":…,\"text\":…,\"hex\":…} or {\"answer\":\"error\",…}"
                }
                FunctionJson::Inspect { .. } => {
                    "{\"answer\":\"returned\",\"value\":…,\"text\":…,\"public\":{…}} or {\"answer\":\"error\",…}"
                }
                _ => "{\"answer\":\"returned\",\"value\":…,\"text\":…} or {\"answer\":\"error\",…}",
            },
            Self::End => "{\"answer\":\"ended\"}, and then the exit status 0",
        }
    }
}

/// The request to call a function.
#[derive(Debug, Serialize)]
pub(super) struct CallRequest {
    #[serde(flatten)]
    function: FunctionJson,
    /// The thread, errno and signals of the call; `None` for a program that is not like one in C.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    around: Option<Around>,
}

#[derive(Debug, Serialize)]
struct Around {
    thread: u8,
    errno: i32,
    signals: bool,
}

impl CallRequest {
    /// Returns the request for `call`. The call's thread, errno and signals are included only if
    /// `c_library` is `true`: the program behaves as a library in C.
    pub(super) fn new(call: &Call, c_library: bool) -> Self {
        let Call {
            thread, errno, signals, ..
        } = *call;
        Self {
            function: FunctionJson::new(&call.function),
            around: c_library.then_some(Around { thread, errno, signals }),
        }
    }
}

/// A function with its arguments.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(Deserialize))]
#[serde(tag = "call")]
enum FunctionJson {
    #[serde(rename = "ipq_create_handle")]
    CreateHandle { flags: u32, protocol: u32 },
    #[serde(rename = "ipq_destroy_handle")]
    DestroyHandle { handle: HandleNumber },
    #[serde(rename = "ipq_set_mode")]
    SetMode { handle: HandleNumber, mode: u8, range: u64 },
    #[serde(rename = "ipq_read")]
    Read {
        handle: HandleNumber,
        length: u32,
        timeout: i32,
    },
    #[serde(rename = "ipq_set_verdict")]
    SetVerdict {
        handle: HandleNumber,
        packet_id: String,
        verdict: u32,
        data_length: u64,
        hex: Option<String>,
    },
    #[serde(rename = "ipq_message_type")]
    MessageType,
    #[serde(rename = "ipq_get_packet")]
    Packet,
    #[serde(rename = "ipq_get_msgerr")]
    MessageError,
    #[serde(rename = "ipq_ctl")]
    Control { handle: HandleNumber, request: i32 },
    #[serde(rename = "ipq_errstr")]
    ErrorText,
    #[serde(rename = "ipq_perror")]
    PrintError { prefix: Option<String> },
    #[serde(rename = "inspect")]
    Inspect { handle: HandleNumber },
    #[serde(rename = "read_forged")]
    ReadForged {
        handle: HandleNumber,
        length: u32,
        hex: String,
    },
    #[serde(rename = "occupy")]
    Occupy { below: u32 },
}

impl FunctionJson {
    fn new(function: &Function) -> Self {
        match function.clone() {
            Function::CreateHandle { flags, protocol } => Self::CreateHandle { flags, protocol },
            Function::DestroyHandle { handle } => Self::DestroyHandle { handle },
            Function::SetMode { handle, mode, range } => Self::SetMode { handle, mode, range },
            Function::Read {
                handle,
                length,
                timeout,
            } => Self::Read {
                handle,
                length,
                timeout,
            },
            Function::SetVerdict {
                handle,
                packet_id,
                verdict,
                data_length,
                payload,
            } => Self::SetVerdict {
                handle,
                // A 64-bit number would lose digits where JSON's numbers are floating-point ones.
                packet_id: format!("{packet_id:#x}"),
                verdict,
                data_length,
                hex: payload.map(hex::encode),
            },
            Function::MessageType => Self::MessageType,
            Function::Packet => Self::Packet,
            Function::MessageError => Self::MessageError,
            Function::Control { handle, request } => Self::Control { handle, request },
            Function::ErrorText => Self::ErrorText,
            Function::PrintError { prefix } => Self::PrintError { prefix },
            Function::Inspect { handle } => Self::Inspect { handle },
            Function::ReadForged {
                handle,
                length,
                datagram,
            } => Self::ReadForged {
                handle,
                length,
                hex: hex::encode(datagram),
            },
            Function::Occupy { below } => Self::Occupy { below },
        }
    }
}

/// An answer from the program.
#[derive(Debug, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Answer {
    Description(DescriptionAnswer),
    Returned(ReturnedAnswer),
    Ended,
    Error(ErrorAnswer),
}

impl pipe::Answer for Answer {
    fn name(&self) -> &'static str {
        match self {
            Self::Description(_) => "description",
            Self::Returned(_) => "returned",
            Self::Ended => "ended",
            Self::Error(_) => "error",
        }
    }
}

/// The description that a program gives of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    /// The name of the libipq and its version.
    pub(super) implementation: String,
    /// `true` if the program sees what a program in C sees, such as errno and threads.
    pub(super) c_library: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DescriptionAnswer {
    protocol: u32,
    implementation: String,
    c_library: bool,
}

impl DescriptionAnswer {
    pub(super) fn read(self) -> Result<About, String> {
        if self.protocol != VERSION {
            return Err(pipe::other_version(self.protocol));
        }
        Ok(About {
            implementation: self.implementation,
            c_library: self.c_library,
        })
    }
}

/// The result of a call, as the program tells it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReturnedAnswer {
    value: i64,
    text: String,
    #[serde(default)]
    errno: Option<i32>,
    #[serde(default)]
    hex: Option<String>,
    #[serde(default)]
    public: Option<PublicJson>,
}

/// The state of a handle: its public structure, and whether its descriptor is readable.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicJson {
    descriptor: i32,
    local: AddressJson,
    peer: AddressJson,
    readable: bool,
}

/// A netlink address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressJson {
    family: u16,
    port_id: u32,
}

impl ReturnedAnswer {
    /// Returns the result of `call`; an error says what is wrong with the answer.
    pub(super) fn read(self, call: &Call) -> Result<Returned, String> {
        let reads = matches!(call.function, Function::Read { .. } | Function::ReadForged { .. });
        let inspects = matches!(call.function, Function::Inspect { .. });
        let bytes = match self.hex {
            Some(_) if !reads => return Err("`hex` belongs to the answer of a read".to_owned()),
            Some(hex) => Bytes::from(hex::decode(&hex).map_err(|error| format!("`hex`: {error}"))?),
            None => Bytes::new(),
        };
        if reads && usize::try_from(self.value.max(0)) != Ok(bytes.len()) {
            return Err(format!(
                "the read returned {}, and `hex` has {} bytes",
                self.value,
                bytes.len()
            ));
        }
        if self.public.is_some() && !inspects {
            return Err("`public` belongs to the answer of inspect".to_owned());
        }
        let public = self.public.map(|public| HandleState {
            descriptor: public.descriptor,
            local: (public.local.family, public.local.port_id),
            peer: (public.peer.family, public.peer.port_id),
            readable: public.readable,
        });
        Ok(Returned {
            value: self.value,
            errno: self.errno,
            text: self.text,
            bytes,
            public,
            ..Returned::default()
        })
    }
}

/// The reason why the program did not make the call, and its explanation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorAnswer {
    pub(super) error: ErrorKind,
    pub(super) what: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ErrorKind {
    /// The libipq has no function of that name.
    Missing,
    /// The program can't make this call, or not under the circumstances that the request asks for.
    Unsupported,
    /// The program itself failed, and not its libipq.
    Broken,
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;
    use serde_json::{Map, Value, json};
    use std::collections::BTreeSet;

    const PAGE: &str = include_str!("../../../docs/client-protocol.md");

    /// Returns the rows of the table of calls in `docs/client-protocol.md`, each as its cells.
    fn rows() -> Vec<Vec<&'static str>> {
        let (_, table) = PAGE.split_once("<!-- calls -->").expect("the table is there");
        let (table, _) = table.split_once("<!-- end -->").expect("the table ends");
        let rows = table.trim().lines().skip(2);
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
            .collect()
    }

    /// Returns the words of a cell that stand between grave accents.
    fn words(cell: &str) -> BTreeSet<&str> {
        cell.split('`').skip(1).step_by(2).collect()
    }

    #[test]
    fn the_page_lists_every_call_with_its_arguments() {
        // serde's error for an unknown call lists all calls.
        let unknown = serde_json::from_value::<FunctionJson>(json!({ "call": "?" })).expect_err("it is none");
        let unknown = unknown.to_string();
        let mut all = words(&unknown);
        assert!(all.remove("?"));
        let rows = rows();
        let listed: BTreeSet<_> = rows.iter().flat_map(|row| words(row[0])).collect();
        assert_eq!(listed, all);
        for row in rows {
            let (call, arguments) = (row[0].trim_matches('`'), words(row[1]));
            let value = |key: &str| match key {
                "packet_id" | "hex" | "prefix" => json!("00"),
                _ => json!(7),
            };
            let mut request = Map::from_iter([("call".to_owned(), json!(call))]);
            request.extend(arguments.iter().map(|key| ((*key).to_owned(), value(key))));
            let parsed: FunctionJson = serde_json::from_value(request.clone().into()).expect(call);
            // Keys that are no argument of the call are gone.
            assert_eq!(
                serde_json::to_value(parsed).expect("it is JSON"),
                Value::Object(request)
            );
        }
    }

    #[rstest]
    #[case::as_long_as_it_returned(json!({ "value": 2, "text": "", "hex": "0001" }), Ok(2))]
    #[case::nothing(json!({ "value": 0, "text": "" }), Ok(0))]
    #[case::a_failure(json!({ "value": -1, "text": "", "hex": "" }), Ok(0))]
    #[case::longer_than_it_returned(
        json!({ "value": 1, "text": "", "hex": "0001" }),
        Err("the read returned 1, and `hex` has 2 bytes")
    )]
    #[case::no_bytes(json!({ "value": 2, "text": "" }), Err("the read returned 2, and `hex` has 0 bytes"))]
    #[case::no_hex(json!({ "value": 2, "text": "", "hex": "0x01" }), Err("`hex`: Invalid character 'x' at position 1"))]
    #[case::a_structure(
        json!({ "value": 0, "text": "", "public": {
            "descriptor": 3, "readable": false,
            "local": { "family": 16, "port_id": 7 }, "peer": { "family": 16, "port_id": 0 } } }),
        Err("`public` belongs to the answer of inspect")
    )]
    fn the_answer_to_a_read_has_the_bytes_that_it_returned(
        #[case] answer: Value,
        #[case] expected: Result<usize, &str>,
    ) {
        let answer: ReturnedAnswer = serde_json::from_value(answer).expect("it is an answer");
        let read = answer.read(&Call {
            thread: 0,
            errno: 0,
            signals: false,
            function: Function::Read {
                handle: HandleNumber(1),
                length: 20,
                timeout: -1,
            },
        });
        let read = read.map(|returned| returned.bytes.len());
        assert_eq!(read, expected.map_err(str::to_owned));
    }
}
