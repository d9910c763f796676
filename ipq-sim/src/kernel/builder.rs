//! The description of an emulated kernel before it runs.

use super::Kernel;
#[cfg(feature = "seeded-faults")]
use crate::behaviour::Fault;
use crate::host::network::{Device, DeviceError};
use crate::profile::{NoProfile, Profile};
use crate::queue::entries::IdReuse;
use crate::time::clock::Clock;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// A description from which a kernel is built. The defaults are a machine on which recordings were
/// made: Linux 3.4.10 on x86-64, forwarding between two Ethernet devices.
///
/// | device | MAC | addresses | neighbours |
/// |---|---|---|---|
/// | `tap0` | 02:00:00:00:10:01 | 10.1.0.1/24, `fd00:1::1/64` | 10.1.0.2 and `fd00:1::2` at 02:00:00:00:20:01 |
/// | `tap1` | 02:00:00:00:10:02 | 10.2.0.1/24, `fd00:2::1/64` | 10.2.0.2 and `fd00:2::2` at 02:00:00:00:20:02 |
/// | `lo` | | 127.0.0.1/8, `::1` | |
#[derive(Clone, Debug)]
pub struct KernelBuilder {
    pub(crate) profile: Profile,
    pub(crate) reuse: IdReuse,
    pub(crate) clock: Clock,
    pub(crate) devices: Vec<Device>,
    pub(crate) process_id: u32,
    pub(crate) fates_kept: usize,
    pub(crate) earlier_peer_died: bool,
}

impl KernelBuilder {
    pub(crate) fn new() -> Self {
        Self {
            profile: Profile::default(),
            reuse: IdReuse::default(),
            clock: Clock::Virtual(Clock::EPOCH),
            devices: laboratory(),
            process_id: 4242,
            fates_kept: 65_536,
            earlier_peer_died: false,
        }
    }

    /// Sets the profile: the kernel that is emulated.
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// Sets the rule by which `ip_queue` hands packet ids out again: [`IdReuse::LastFreedFirst`] by
    /// default, as kernels do. With [`IdReuse::Never`] a verdict for a packet that has left the
    /// queue gets ENOENT, and can't hit a later packet.
    #[must_use]
    pub fn id_reuse(self, reuse: IdReuse) -> Self {
        Self { reuse, ..self }
    }

    /// Makes the IPv4 queue begin as if an earlier peer of it had died. Linux 2.4.0 to 2.4.17 show
    /// that as `Peer died : 1` in `/proc/net/ip_queue` until a program attaches; other kernels do
    /// not.
    #[must_use]
    pub fn earlier_peer_died(self) -> Self {
        Self {
            earlier_peer_died: true,
            ..self
        }
    }

    /// Sets the profile that [`Profile::of_kernel`] finds for a kernel version, such as "2.4.16",
    /// or for a profile's name. Fails if it finds none.
    ///
    /// ```
    /// let sim = ipq_sim::Kernel::builder().kernel("2.4.16")?.simulate()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kernel(self, version: &str) -> Result<Self, NoProfile> {
        Ok(self.profile(Profile::of_kernel(version)?.profile))
    }

    /// Breaks one rule, that of `fault`, in the profile that was set before. A profile that is set
    /// later is without the fault.
    #[cfg(feature = "seeded-faults")]
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        fault.seed(&mut self.profile.behaviour);
        self
    }

    /// Sets the host's Ethernet devices, in place of `tap0` and `tap1`. The host has `lo` in any
    /// case.
    #[must_use]
    pub fn devices(self, devices: impl IntoIterator<Item = Device>) -> Self {
        Self {
            devices: devices.into_iter().collect(),
            ..self
        }
    }

    /// Sets the process id of the first program, [`ClientId::FIRST`](crate::ClientId::FIRST): 4242
    /// by default.
    #[must_use]
    pub fn process_id(self, process_id: u32) -> Self {
        Self { process_id, ..self }
    }

    /// Sets the time at which virtual time begins, since 1970-01-01 00:00 UTC: by default
    /// 2012-05-20 22:29, when Linux 3.4 came out. On 64-bit kernels the time stamps of packets end
    /// in the year 586,524: packets that arrive later all have the last one. On 32-bit kernels the
    /// seconds of a time stamp hold no year after 2038.
    #[must_use]
    pub fn starting_at(self, now: Duration) -> Self {
        Self {
            clock: Clock::Virtual(now),
            ..self
        }
    }

    /// Sets how many packets, of those that entered last, [`Kernel::fate`] knows the fate of:
    /// 65,536 by default. With 0 it knows none.
    #[must_use]
    pub fn keep_fates(self, packets: usize) -> Self {
        Self {
            fates_kept: packets,
            ..self
        }
    }

    /// Builds the kernel alone, without a [`Sim`](crate::Sim) around it. Fails if the devices are
    /// too many, or one has no valid name of its own.
    pub fn build(self) -> Result<Kernel, DeviceError> {
        Kernel::from_builder(self)
    }
}

/// Returns the devices `tap0` and `tap1` of the machine on which the recordings were made.
fn laboratory() -> Vec<Device> {
    let network = |name, number: u8| {
        Device::ethernet(name, [2, 0, 0, 0, 0x10, number])
            .address(Ipv4Addr::new(10, number, 0, 1), 24)
            .address(Ipv6Addr::new(0xfd00, number.into(), 0, 0, 0, 0, 0, 1), 64)
            .neighbour(Ipv4Addr::new(10, number, 0, 2), [2, 0, 0, 0, 0x20, number])
            .neighbour(
                Ipv6Addr::new(0xfd00, number.into(), 0, 0, 0, 0, 0, 2),
                [2, 0, 0, 0, 0x20, number],
            )
    };
    vec![network("tap0", 1), network("tap1", 2)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::ClientId;
    use ipq_core::{Family, PortId};
    use pretty_assertions::assert_eq;

    #[test]
    fn what_is_not_said_is_the_laboratory() {
        let mut kernel = Kernel::builder().build().unwrap();
        assert_eq!(*kernel.profile(), Profile::LINUX_3_4_10_X86_64);
        assert_eq!(kernel.process_id(ClientId::FIRST), 4242);
        assert_eq!(kernel.now(), Clock::EPOCH);
        assert_eq!(Family::ALL.map(|family| kernel.maximum_length(family)), [Some(1024); 2]);
        for device in ["lo", "tap0", "tap1"] {
            assert_eq!(kernel.sniff(device), Ok(None));
        }
    }

    #[test]
    fn what_is_said_holds() {
        let mut kernel = Kernel::builder()
            .profile(Profile::LINUX_3_4_10_I386)
            .process_id(7)
            .starting_at(Duration::from_secs(9))
            .devices([Device::ethernet("eth0", [2, 0, 0, 0, 0, 1])])
            .build()
            .unwrap();
        assert_eq!(kernel.profile().name, "linux-3.4.10-i386");
        assert_eq!(kernel.now(), Duration::from_secs(9));
        let socket = kernel.open(ClientId::FIRST, 3).unwrap();
        assert_eq!(kernel.bind(socket, PortId::KERNEL), Ok(PortId(7)));
        assert_eq!(kernel.sniff("eth0"), Ok(None));
        insta::assert_snapshot!(
            kernel.sniff("tap0").unwrap_err(),
            @r#"the host has no device "tap0"; it has lo, eth0"#
        );
    }

    #[test]
    fn devices_that_can_not_be_are_refused_in_words() {
        let built = |names: &[&str]| {
            let devices: Vec<Device> = names.iter().map(|name| Device::ethernet(name, [2; 6])).collect();
            Kernel::builder().devices(devices).build().unwrap_err().to_string()
        };
        let told = [
            built(&["a", "a"]),
            built(&["lo"]),
            built(&["sixteen-letters-"]),
            built(&[""]),
            built(&vec!["a"; 65_535]),
        ];
        insta::assert_snapshot!(told.join("\n"), @r#"
        there are two devices "a": give each a name of its own
        there are two devices "lo": give each a name of its own
        "sixteen-letters-" can't be a device: an interface name has at most 15 bytes, and this has 16: shorten it
        a device has no name, and in frames that stands for no device: give it one
        a host has 65534 devices at most beside lo, and these are 65535: describe fewer
        "#);
    }
}
