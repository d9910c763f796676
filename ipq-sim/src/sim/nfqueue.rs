//! Handles for an emulated kernel's numbered queues. Their transport is the one for real kernels'
//! queues, over sockets of the emulated kernel.

use super::access::Access;
use super::{SimTransport, Simulation};
use crate::netlink::ClientId;
use crate::queue::NFNETLINK;
use ipq_core::transport::Datagram;
use ipq_core::transport::nfqueue::{Arrival, Arrivals, Device, DeviceTable, NfQueue, OpenError, Options, QueueSocket};
use ipq_core::{Errno, Handle, Transport as _, TransportError, Wait};
use std::io::{self, IoSliceMut};
use std::time::Duration;

impl<A: Access> Simulation<A> {
    /// Opens a handle of the first program for a numbered queue, over the transport that programs
    /// use on real kernels. Fails with `NoNfnetlink` on a kernel without such queues: most
    /// [profiles](crate::Profile) have none.
    ///
    /// ```
    /// use ipq_core::transport::nfqueue::Options;
    /// use ipq_core::{CopyMode, Family, Hook};
    /// use ipq_sim::{Kernel, Profile, Rule};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sim = Kernel::builder().profile(Profile::LINUX_6_18_X86_64).simulate()?;
    /// sim.add_rule(Rule::numbered_queue(Family::Ipv4, Hook::Forward, 7).protocol(17))?;
    /// let handle = sim.open_nfqueue(Options { queue_number: 7, ..Options::new(Family::Ipv4) })?;
    /// handle.set_mode(CopyMode::Packet, 1500)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open_nfqueue(&self, options: Options) -> Result<Handle<NfQueue<SimTransport<A>>>, OpenError> {
        let socket = || {
            SimTransport::of_protocol(self.access.clone(), ClientId::FIRST, NFNETLINK).map_err(|errno| match errno {
                Errno::EPROTONOSUPPORT => OpenError::NoNfnetlink,
                errno => OpenError::Socket { errno },
            })
        };
        let devices = SimDevices(self.access.clone());
        NfQueue::over(socket()?, socket()?, devices, options).map(Handle::new)
    }
}

/// The names and hardware types of an emulated kernel's devices, which the transport looks up by
/// their numbers. They never change.
#[derive(Clone, Debug)]
pub struct SimDevices<A>(A);

impl<A: Access> DeviceTable for SimDevices<A> {
    fn queue_ran_empty(&self) {}

    fn datagrams_came(&self, _: u32) {}

    fn generation(&self) -> u32 {
        0
    }

    fn get(&self, indices: [u32; 2]) -> [Device; 2] {
        self.0
            .with(|kernel| indices.map(|index| kernel.device(index).unwrap_or_default()))
    }
}

impl<A: Access> QueueSocket for SimTransport<A> {
    type Devices = SimDevices<A>;

    fn receive_parts(&self, parts: &mut [IoSliceMut<'_>], wait: Wait) -> Result<Datagram, TransportError> {
        if let [whole] = parts {
            return self.receive(whole, wait);
        }
        let mut glued = vec![0; parts.iter().map(|part| part.len()).sum()];
        let datagram = self.receive(&mut glued, wait)?;
        scatter(&glued[..datagram.copied], parts);
        Ok(datagram)
    }

    fn receive_places<const PARTS: usize>(
        &self,
        places: &mut [[IoSliceMut<'_>; PARTS]],
        arrivals: &mut Arrivals,
        wait: Wait,
    ) -> Result<(), TransportError> {
        let mut wait = wait;
        for place in places {
            // A pending error is returned by the next call.
            if !arrivals.is_empty() && self.access().with(|kernel| kernel.has_error(self.socket())) {
                return Ok(());
            }
            match self.receive_parts(place, wait) {
                Ok(datagram) => arrivals.push(Arrival {
                    length: datagram.length as u32,
                    sender: datagram.sender,
                }),
                Err(_) if !arrivals.is_empty() => return Ok(()),
                Err(error) => return Err(error),
            }
            wait = Wait::Never;
        }
        Ok(())
    }

    fn until_readable(&self, wait: Wait) -> Result<(), TransportError> {
        let socket = self.socket();
        self.access().attempt(wait, |kernel| {
            if kernel.is_readable(socket) {
                Ok(())
            } else {
                Err(Errno::EAGAIN)
            }
        })
    }

    fn now(&self) -> Duration {
        self.access().with(|kernel| kernel.now())
    }

    fn proc_text(&self) -> io::Result<String> {
        let text = self.access().with(|kernel| kernel.numbered_queues_text());
        text.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Copies bytes into `parts`, filling one after the other. Bytes that do not fit into them are left
/// out.
fn scatter(mut bytes: &[u8], parts: &mut [IoSliceMut<'_>]) {
    for part in parts {
        let (first, rest) = bytes.split_at(bytes.len().min(part.len()));
        part[..first.len()].copy_from_slice(first);
        bytes = rest;
    }
}

#[cfg(test)]
mod tests;
