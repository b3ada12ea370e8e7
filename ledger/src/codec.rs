//! Canonical bytes: the one place where values become bytes and stranger's bytes become values.
//!
//! The layout is bincode's fixed-width little-endian one (`specs/formats.md` writes it down, so
//! that no reader needs this library). Each value has exactly one encoding: [`decode`] refuses
//! whatever would not come out the same when encoded again, and never allocates more than a small
//! multiple of what it was given.
//!
//! Types that cross this module hold no hash map, float, `usize`, recursion or zero-size list item.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bincode::config::{Configuration, Fixint, LittleEndian, NoLimit};
use bincode::error::{DecodeError, EncodeError};
pub use bincode::{Decode, Encode};

/// No encoded value is longer than this: a block of full size with its proof fits twice.
pub const ENCODED_BYTES_MAX: usize = 8 << 20;

const LAYOUT: Configuration<LittleEndian, Fixint, NoLimit> = bincode::config::legacy();

/// Why bytes are not a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The input is longer than the limit for its kind; nothing of it was read.
    #[error("{actual} bytes, at most {max} are read; send less")]
    TooLong {
        /// Length of the input.
        actual: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes end early, hold an unknown tag, or a field refuses its value.
    #[error("not a valid encoding: {reason}")]
    Malformed {
        /// What the field or the decoder said.
        reason: String,
    },
    /// A value stands there, but followed by more bytes.
    #[error("{extra} bytes follow the value; remove them")]
    Trailing {
        /// How many bytes are left over.
        extra: usize,
    },
    /// The value reads, but its canonical encoding is another one.
    #[error("not the canonical encoding of this value; encode it as specs/formats.md says")]
    NotCanonical,
}

/// The canonical bytes of a value. Cannot fail: memory is the only sink.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    match bincode::encode_to_vec(value, LAYOUT) {
        Ok(bytes) => bytes,
        Err(error) => unreachable_encode(&error),
    }
}

#[cold]
fn unreachable_encode(error: &EncodeError) -> ! {
    panic!("encoding into memory failed: {error}; no Encode in this project can refuse");
}

/// Reads one value that fills `bytes` exactly and is encoded canonically.
///
/// `max` is the length limit of the kind of value, checked before a byte is read.
///
/// # Errors
/// [`CodecError`], in the order of its variants.
pub fn decode<T: Encode + Decode<()>>(bytes: &[u8], max: usize) -> Result<T, CodecError> {
    let max = max.min(ENCODED_BYTES_MAX);
    if bytes.len() > max {
        return Err(CodecError::TooLong { actual: bytes.len(), max });
    }
    // The budget bounds what a lying length prefix can make us allocate before the bytes run out. A
    // value in memory is larger than its bytes: 16 times is room for all of ours. The steps are
    // coarse, so that the shortest input of each can claim up to 1,024 times its length.
    let decoded = match bytes.len() {
        0..=0x400 => bincode::decode_from_slice(bytes, LAYOUT.with_limit::<0x1_0000>()),
        0x401..=0x1_0000 => bincode::decode_from_slice(bytes, LAYOUT.with_limit::<0x10_0000>()),
        0x1_0001..=0x10_0000 => bincode::decode_from_slice(bytes, LAYOUT.with_limit::<0x100_0000>()),
        _ => bincode::decode_from_slice(bytes, LAYOUT.with_limit::<0x800_0000>()),
    };
    let (value, used): (T, usize) = decoded.map_err(|error| match error {
        DecodeError::OtherString(reason) => CodecError::Malformed { reason },
        DecodeError::Other(reason) => CodecError::Malformed { reason: reason.to_string() },
        other => CodecError::Malformed { reason: other.to_string() },
    })?;
    if used != bytes.len() {
        return Err(CodecError::Trailing { extra: bytes.len() - used });
    }
    if encode(&value) != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// Makes a checked newtype decodable: reads the inner value and passes it through the constructor.
///
/// `checked!(OrgNumber, u32, OrgNumber::new, value)` encodes `value.0` and decodes by
/// `OrgNumber::new(inner)`, whose error text becomes the refusal.
macro_rules! checked {
    ($type:ty, $inner:ty, $make:expr) => {
        impl bincode::Encode for $type {
            fn encode<E: bincode::enc::Encoder>(
                &self,
                encoder: &mut E,
            ) -> Result<(), bincode::error::EncodeError> {
                bincode::Encode::encode(&self.0, encoder)
            }
        }
        impl<Context> bincode::Decode<Context> for $type {
            fn decode<D: bincode::de::Decoder<Context = Context>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                let inner: $inner = bincode::Decode::decode(decoder)?;
                $make(inner).map_err(|error| {
                    bincode::error::DecodeError::OtherString(alloc::string::ToString::to_string(&error))
                })
            }
        }
        bincode::impl_borrow_decode!($type);
    };
}
pub(crate) use checked;
