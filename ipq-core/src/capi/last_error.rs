//! The last error of each thread, and its text as C reads it.
//!
//! libipq had one error number for the whole process, which threads overwrote for each other
//! (LIB-7). Here each thread has its own, like `errno`, in memory of fixed size.

use crate::error_number::ErrorNumber;
use std::cell::Cell;
use std::ffi::c_char;

/// The size in bytes of each thread's room for an error text and its NUL. A longer text is cut.
const LONGEST: usize = 512;

thread_local! {
    static NUMBER: Cell<i32> = const { Cell::new(0) };
    /// The text of this thread's last error if that has a detail: libipq's text, the detail and a
    /// NUL. Otherwise empty, and the text is in [`TEXTS`]. C programs get a pointer to one of them.
    static TEXT: [Cell<u8>; LONGEST] = const { [const { Cell::new(0) }; LONGEST] };
}

/// The texts of all error numbers, indexed by number. Each is filled up with NULs to 40 bytes.
static TEXTS: [[u8; 40]; ErrorNumber::ALL.len()] = {
    let mut texts = [[0; 40]; ErrorNumber::ALL.len()];
    let mut number = 0;
    while number < texts.len() {
        let text = ErrorNumber::ALL[number].text().as_bytes();
        let mut index = 0;
        while index < text.len() {
            texts[number][index] = text[index];
            index += 1;
        }
        number += 1;
    }
    texts
};

/// Returns the number of this thread's last error, or 0 if there was none.
pub(super) fn number() -> i32 {
    NUMBER.get()
}

/// Makes `number` this thread's last error. Its text is libipq's own, without a detail.
pub(super) fn set(number: ErrorNumber) {
    NUMBER.set(number.number());
    TEXT.with(|text| text[0].set(0));
}

/// Makes `number` this thread's last error. Its text is libipq's own, a colon, a space and
/// `detail`, cut to 511 bytes.
pub(super) fn set_with_detail(number: ErrorNumber, detail: &str) {
    NUMBER.set(number.number());
    TEXT.with(|text| {
        let words = number.text().bytes().chain(": ".bytes()).chain(detail.bytes());
        for (cell, byte) in text.iter().zip(words.take(LONGEST - 1).chain([0])) {
            cell.set(byte);
        }
    });
}

/// Returns the text of this thread's last error, with its detail, if it has one, and a NUL at its
/// end; "Unknown error" if there was no error. The text is valid until the thread's next error.
pub(super) fn text() -> *mut c_char {
    TEXT.with(|text| {
        if text[0].get() == 0 {
            let number = ErrorNumber::from_number(number()).number().unsigned_abs() as usize;
            TEXTS[number].as_ptr().cast_mut().cast()
        } else {
            text.as_ptr().cast_mut().cast()
        }
    })
}
