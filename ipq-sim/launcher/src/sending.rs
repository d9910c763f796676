//! Reads the datagrams that a stopped send call sends, from the memory of the program that made the
//! call.

use crate::call::{Call, SendForm};
use crate::listener::Listener;

/// The limit of `struct iovec`s for one datagram (a call with more fails: `writev` with EINVAL, and
/// `sendmsg` and `sendmmsg` with EMSGSIZE), and of datagrams for one `sendmmsg` (further ones are
/// not read): `UIO_MAXIOV`.
const MOST: u64 = 1024;

/// The longest address in bytes: the size of `struct sockaddr_storage`. With a longer one `sendto`
/// fails; for `sendmsg` and `sendmmsg` it is cut.
const LONGEST_ADDRESS: u16 = 128;

/// A datagram that a program sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Datagram {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The address that the call names; `None` if it names none.
    pub address: Option<Vec<u8>>,
    /// The call's flags, `MSG_*`; 0 for `write` and `writev`.
    pub flags: i32,
}

/// The layout of the structures that a send call's arguments point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// The size of a pointer, in bytes.
    word: usize,
}

impl Layout {
    const fn of(call: &Call) -> Self {
        Self {
            word: if call.is_32_bit { 4 } else { 8 },
        }
    }

    /// Returns the size of `struct msghdr`. In `struct mmsghdr` the datagram's length comes after
    /// that many bytes.
    const fn message_bytes(self) -> usize {
        7 * self.word
    }

    /// Returns the size of `struct mmsghdr`.
    const fn counted_message_bytes(self) -> usize {
        8 * self.word
    }

    /// Returns the word number `index` of `bytes`, or 0 beyond their end. A word is as long as a
    /// pointer.
    fn word(self, bytes: &[u8], index: usize) -> u64 {
        let bytes = bytes.get(index * self.word..).unwrap_or_default();
        if self.word == 4 {
            bytes.first_chunk().map_or(0, |word| u32::from_ne_bytes(*word).into())
        } else {
            bytes.first_chunk().map_or(0, |word| u64::from_ne_bytes(*word))
        }
    }

    /// Returns the `int` at the start of the word number `index` of `bytes`, or 0 beyond their end.
    fn int(self, bytes: &[u8], index: usize) -> i32 {
        let bytes = bytes.get(index * self.word..).unwrap_or_default();
        bytes.first_chunk().map_or(0, |int| i32::from_ne_bytes(*int))
    }
}

impl Listener {
    /// Reads the datagram number `index` (from 0) of a stopped send call, or returns `None` if the
    /// call has no such datagram. Fails with the error number of a call that can't send this
    /// datagram: EFAULT if the memory can't be read, EMSGSIZE if the datagram is longer than
    /// `longest` bytes, EINVAL for an address whose length is negative or, in `sendto`, too large.
    /// If there are too many parts, that is EINVAL for `writev`, and EMSGSIZE for `sendmsg` and
    /// `sendmmsg`.
    pub fn datagram(&self, call: &Call, form: SendForm, index: usize, longest: usize) -> Result<Option<Datagram>, i32> {
        let count = match form {
            SendForm::Messages => u64::from(call.int(2).cast_unsigned()).min(MOST),
            _ => 1,
        };
        if index as u64 >= count {
            return Ok(None);
        }
        let datagram = match form {
            SendForm::Bytes => Datagram {
                bytes: self.gather(call, &[(call.address(1), call.address(2))], longest)?,
                ..Datagram::default()
            },
            SendForm::BytesTo => Datagram {
                bytes: self.gather(call, &[(call.address(1), call.address(2))], longest)?,
                address: self.address(call, call.address(4), call.int(5))?,
                flags: call.int(3),
            },
            SendForm::Vectors if call.address(2) > MOST => return Err(libc::EINVAL),
            SendForm::Vectors => Datagram {
                bytes: self.vectors(call, call.address(1), call.address(2), longest)?,
                ..Datagram::default()
            },
            SendForm::Message => self.message(call, call.address(1), call.int(2), longest)?,
            SendForm::Messages => {
                let at = message_address(call, index);
                self.message(call, at, call.int(3), longest)?
            }
        };
        Ok(Some(datagram))
    }

    /// Writes the length of a sent datagram to where `sendmmsg` puts it; does nothing for the other
    /// calls. Returns `false` if the memory can't be written.
    #[must_use]
    pub fn tell_length(&self, call: &Call, form: SendForm, index: usize, length: usize) -> bool {
        let at = message_address(call, index).wrapping_add(Layout::of(call).message_bytes() as u64);
        form != SendForm::Messages || self.write(call, at, &(length as u32).to_ne_bytes())
    }

    /// Reads the datagram that the `struct msghdr` at `at` describes, and gives it `flags`. Fails
    /// as [`Listener::datagram`] does.
    fn message(&self, call: &Call, at: u64, flags: i32, longest: usize) -> Result<Datagram, i32> {
        let layout = Layout::of(call);
        let mut header = [0; 56];
        let header = &mut header[..layout.message_bytes()];
        self.fill(call, at, header)?;
        let [name, vectors, count] = [0, 2, 3].map(|index| layout.word(header, index));
        // Here a length beyond the longest is cut, where sendto fails.
        let length = layout.int(header, 1).min(LONGEST_ADDRESS.into());
        Ok(Datagram {
            address: self.address(call, name, length)?,
            bytes: self.vectors(call, vectors, count, longest)?,
            flags,
        })
    }

    /// Reads the socket address of `length` bytes at `at`. Returns `None` if `at` is null or
    /// `length` is 0. Fails with EINVAL if `length` is negative or above `LONGEST_ADDRESS`, and
    /// with EFAULT if the memory can't be read.
    fn address(&self, call: &Call, at: u64, length: i32) -> Result<Option<Vec<u8>>, i32> {
        if at == 0 || length == 0 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| libc::EINVAL)?;
        if length > LONGEST_ADDRESS.into() {
            return Err(libc::EINVAL);
        }
        let mut address = vec![0; length];
        self.fill(call, at, &mut address)?;
        Ok(Some(address))
    }

    /// Reads the bytes that the `count` `struct iovec`s at `at` describe, joined. Fails with
    /// EMSGSIZE if there are more than `MOST` of them or more than `longest` bytes, and with EFAULT
    /// if the memory can't be read.
    fn vectors(&self, call: &Call, at: u64, count: u64, longest: usize) -> Result<Vec<u8>, i32> {
        if count > MOST {
            return Err(libc::EMSGSIZE);
        }
        let layout = Layout::of(call);
        let mut vectors = vec![0; 2 * layout.word * count as usize];
        self.fill(call, at, &mut vectors)?;
        let parts = (0..count as usize).map(|index| {
            let [start, length] = [0, 1].map(|half| layout.word(&vectors, 2 * index + half));
            (start, length)
        });
        self.gather(call, &parts.collect::<Vec<_>>(), longest)
    }

    /// Reads `parts` of the caller's memory, each an address and a length, and joins their bytes in
    /// this order. Fails with EMSGSIZE if they are longer than `longest` in total, and with EFAULT
    /// if the memory can't be read.
    fn gather(&self, call: &Call, parts: &[(u64, u64)], longest: usize) -> Result<Vec<u8>, i32> {
        let total = parts.iter().fold(0_u64, |sum, (_, length)| sum.saturating_add(*length));
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        if total > longest {
            return Err(libc::EMSGSIZE);
        }
        let mut bytes = vec![0; total];
        let mut rest = &mut bytes[..];
        for (start, length) in parts {
            let (part, after) = rest.split_at_mut(*length as usize);
            self.fill(call, *start, part)?;
            rest = after;
        }
        Ok(bytes)
    }

    fn fill(&self, call: &Call, at: u64, bytes: &mut [u8]) -> Result<(), i32> {
        if bytes.is_empty() || self.read(call, at, bytes) {
            Ok(())
        } else {
            Err(libc::EFAULT)
        }
    }
}

/// Returns the address of the `struct mmsghdr` number `index` in the array that `sendmmsg` is
/// given.
fn message_address(call: &Call, index: usize) -> u64 {
    let offset = index * Layout::of(call).counted_message_bytes();
    call.address(1).wrapping_add(offset as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn the_layouts_are_those_of_the_c_library() {
        let layout = Layout {
            word: size_of::<usize>(),
        };
        assert_eq!(layout.message_bytes(), size_of::<libc::msghdr>());
        assert_eq!(layout.counted_message_bytes(), size_of::<libc::mmsghdr>());
        assert_eq!(2 * layout.word, size_of::<libc::iovec>());
        let offsets = [
            std::mem::offset_of!(libc::msghdr, msg_namelen),
            std::mem::offset_of!(libc::msghdr, msg_iov),
            std::mem::offset_of!(libc::msghdr, msg_iovlen),
            std::mem::offset_of!(libc::mmsghdr, msg_len),
        ];
        assert_eq!(offsets, [1, 2, 3, 7].map(|index| index * layout.word));
    }

    #[test]
    fn words_are_read_with_their_size_and_are_0_beyond_the_end() {
        let bytes: Vec<u8> = [1_u32, 2, 3, 4].iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(Layout { word: 4 }.word(&bytes, 1), 2);
        let wide = Layout { word: 8 };
        let expected = u64::from_ne_bytes(bytes[8..].try_into().unwrap());
        assert_eq!((wide.word(&bytes, 1), wide.int(&bytes, 1)), (expected, 3));
        assert_eq!((wide.word(&bytes, 2), wide.int(&bytes, 2)), (0, 0));
    }
}
