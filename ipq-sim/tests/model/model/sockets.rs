//! The model's netlink sockets (SOCK-1 to SOCK-9, but for namespaces, SOCK-7).

use super::rules::Rules;
use super::{Model, errno};
use crate::step::{Answer, Reason};
use ipq_core::Family;
use ipq_core::wire::PacketId;

#[derive(Clone, Debug)]
pub(crate) struct Socket {
    pub(crate) number: usize,
    pub(crate) protocol: i32,
    pub(crate) port_id: Option<u32>,
    pub(crate) receive_buffer: u32,
    pub(crate) datagrams: Vec<Datagram>,
    pub(crate) pending_error: Option<i32>,
    /// `true` after an overrun that was marked, until the socket is empty: every datagram is
    /// refused (SOCK-4).
    pub(crate) congested: bool,
    pub(crate) no_enobufs: bool,
    /// The record that the socket holds of the pools of packet ids, on a kernel whose sockets hold
    /// one (PKT-9).
    record: Option<PacketId>,
}

#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sender: u32,
}

/// The reason why a datagram was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undelivered {
    Nobody,
    Full,
}

impl Model {
    /// Returns the socket with that number, which must be open.
    pub(super) fn socket(&mut self, number: usize) -> &mut Socket {
        self.sockets
            .iter_mut()
            .find(|socket| socket.number == number)
            .expect("the socket is open")
    }

    fn socket_at(&mut self, protocol: i32, port_id: u32) -> Option<&mut Socket> {
        self.sockets
            .iter_mut()
            .find(|socket| socket.protocol == protocol && socket.port_id == Some(port_id))
    }

    /// Returns the family whose queue gets what is sent to the kernel by that protocol. Returns
    /// `None` if there is none, or if its module is not loaded.
    fn served(&self, protocol: i32) -> Option<Family> {
        let family = match protocol {
            3 => Family::Ipv4,
            13 => Family::Ipv6,
            _ => return None,
        };
        self.queues[family as usize].loaded.then_some(family)
    }

    /// Opens a socket (SOCK-1), and binds it to the port id `bind`, if given. The answer says which
    /// of the two failed.
    pub(super) fn open(&mut self, number: usize, protocol: i32, bind: Option<u32>) -> Answer {
        let failed = |failed_at, errno| Answer::Open {
            failed_at: Some(failed_at),
            errno,
            port_id: None,
        };
        let opens = self.law.any_protocol_opens && (0..32).contains(&protocol);
        if !opens && self.served(protocol).is_none() {
            return failed("socket", errno::EPROTONOSUPPORT);
        }
        let record = self.ids.socket_opens();
        self.sockets.push(Socket {
            number,
            protocol,
            port_id: None,
            receive_buffer: self.law.receive_buffer,
            datagrams: Vec::new(),
            pending_error: None,
            congested: false,
            no_enobufs: false,
            record,
        });
        match bind.map(|wanted| self.bind(number, wanted)) {
            Some(Err(errno)) => failed("bind", errno),
            Some(Ok(())) | None => Answer::Open {
                failed_at: None,
                errno: 0,
                port_id: self.socket(number).port_id,
            },
        }
    }

    /// Binds a socket to a port id; 0 lets the kernel choose (SOCK-2). The error is EINVAL or
    /// EADDRINUSE.
    pub(super) fn bind(&mut self, number: usize, wanted: u32) -> Result<(), i32> {
        let Socket { protocol, port_id, .. } = *self.socket(number);
        if let Some(bound) = port_id {
            return if bound == wanted { Ok(()) } else { Err(errno::EINVAL) };
        }
        let mut chosen = wanted;
        if wanted == 0 {
            chosen = self.process_id;
            while self.socket_at(protocol, chosen).is_some() {
                chosen = self.rover.cast_unsigned();
                self.rover -= 1;
            }
        } else if self.socket_at(protocol, wanted).is_some() {
            return Err(errno::EADDRINUSE);
        }
        self.socket(number).port_id = Some(chosen);
        Ok(())
    }

    /// Closes a socket. If it was a queue's peer, resets the queue (ATT-4), unless this kernel
    /// notices that late (ERA-3).
    pub(super) fn close(&mut self, number: usize) {
        let Socket {
            protocol,
            port_id,
            record,
            ..
        } = *self.socket(number);
        self.sockets.retain(|socket| socket.number != number);
        if let Some(family) = self.served(protocol) {
            let peer = self.queues[family as usize].peer;
            if peer != 0 && port_id == Some(peer) && !self.law.death_is_noticed_late {
                self.reset(family, Reason::PeerClosed);
            }
        }
        self.ids.socket_closes(record);
    }

    /// Sends a datagram to the port id `to`. Binds an unbound socket first (SOCK-2). Refuses a
    /// datagram that is too long (SOCK-9). One to the kernel is carried out at once; one to another
    /// socket is put there (SOCK-8).
    pub(super) fn send(&mut self, number: usize, to: u32, bytes: &[u8]) -> Result<(), i32> {
        if self.socket(number).port_id.is_none() {
            self.bind(number, 0)?;
        }
        let Socket { protocol, port_id, .. } = *self.socket(number);
        let sender = port_id.expect("it is bound");
        if bytes.len() > self.law.send_buffer - 32 {
            return Err(errno::EMSGSIZE);
        }
        if to == 0 {
            let family = self.served(protocol).ok_or(errno::ECONNREFUSED)?;
            self.message(family, bytes, sender);
            return Ok(());
        }
        let law = self.law;
        let socket = self.socket_at(protocol, to).ok_or(errno::ECONNREFUSED)?;
        if socket.congested || socket.used(&law) > socket.receive_buffer as usize {
            return Err(errno::EAGAIN);
        }
        socket.datagrams.push(Datagram {
            bytes: bytes.to_vec(),
            sender,
        });
        Ok(())
    }

    /// Puts a datagram of the kernel's into the socket with that port id. If the socket is full,
    /// refuses the datagram and marks an overrun, unless `no_enobufs` is set (SOCK-4).
    pub(super) fn deliver(&mut self, family: Family, port_id: u32, bytes: Vec<u8>) -> Result<(), Undelivered> {
        let law = self.law;
        let protocol = match family {
            Family::Ipv4 => 3,
            Family::Ipv6 => 13,
        };
        let socket = self.socket_at(protocol, port_id).ok_or(Undelivered::Nobody)?;
        if !socket.congested && socket.used(&law) <= socket.receive_buffer as usize {
            socket.datagrams.push(Datagram { bytes, sender: 0 });
            return Ok(());
        }
        if !socket.no_enobufs && !socket.congested {
            socket.congested = true;
            socket.pending_error = Some(errno::ENOBUFS);
        }
        Err(Undelivered::Full)
    }

    /// Takes a pending error or the next datagram, cut to `size` bytes (SOCK-3, SOCK-4).
    pub(super) fn receive(&mut self, number: usize, size: usize) -> Answer {
        let socket = self.socket(number);
        let answer = if let Some(errno) = socket.pending_error.take() {
            Answer::Error { errno }
        } else if socket.datagrams.is_empty() {
            Answer::Nothing
        } else {
            let Datagram { mut bytes, sender } = socket.datagrams.remove(0);
            bytes.truncate(size);
            Answer::Frame { bytes, sender }
        };
        if socket.datagrams.is_empty() {
            socket.congested = false;
        }
        answer
    }

    pub(super) fn drain(&mut self, number: usize) -> Answer {
        let (mut frames, mut packets, mut enobufs_before_frame) = (0, 0, None);
        loop {
            match self.receive(number, usize::MAX) {
                Answer::Frame { bytes, .. } => {
                    frames += 1;
                    packets += usize::from(bytes.get(4..6) == Some(&[0x13, 0]));
                }
                Answer::Error { .. } => enobufs_before_frame = Some(frames),
                _ => {
                    return Answer::Drain {
                        frames,
                        packets,
                        enobufs_before_frame,
                    };
                }
            }
        }
    }
}

impl Socket {
    fn used(&self, law: &Rules) -> usize {
        self.datagrams
            .iter()
            .map(|datagram| law.weigh(datagram.bytes.len()))
            .sum()
    }
}
