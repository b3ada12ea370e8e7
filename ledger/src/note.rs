//! Signed notes (C2SP `signed-note`) and cosignatures (C2SP `tlog-cosignature`, Ed25519): the text
//! form in which validators, and witnesses outside, sign checkpoints.
//!
//! Reading is strict: what parses is exactly what [`Note::to_text`] writes again, so no byte of a
//! note is without meaning. Whether a note is to be believed is for its reader to say
//! ([`crate::checkpoint`]); here stand form, key ids and single signatures.
//!
//! Invariant: a signature is judged by `verify_strict`, for other people's tools read it too.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};

use crate::digest::Digest;
use crate::signature::{PublicKey, Signature};

/// Signature lines read: a committee of a hundred signs with 67, and witnesses add theirs.
pub const SIGNATURE_LINES_MAX: usize = 128;
/// Bytes read: the lines above with the longest names, and some post-quantum ones.
pub const NOTE_BYTES_MAX: usize = 128 * 1024;
/// Bytes of a key name: 70 characters of four bytes each.
pub const KEY_NAME_BYTES_MAX: usize = 280;

/// A text that is not a signed note, or a signature that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than any note of ours.
    #[error("note of {bytes} bytes; at most {NOTE_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A control character, such as a carriage return.
    #[error("line {line} of the note holds a control character; save the file with plain line feeds")]
    Control {
        /// Counted from 1.
        line: usize,
    },
    /// No blank line before the signatures, or no line feed at the end.
    #[error("the note is not text, blank line, signature lines, line feed; fetch it again whole")]
    Form,
    /// Too many signature lines.
    #[error("the note has {lines} signature lines; at most {SIGNATURE_LINES_MAX} are read")]
    TooManyLines {
        /// How many.
        lines: usize,
    },
    /// A signature line that does not read `— name base64`.
    #[error("signature line {line} is not an em dash, a key name and canonical base64; fetch the note again")]
    Line {
        /// Counted from 1 among the signature lines.
        line: usize,
    },
    /// A key name that notes cannot carry.
    #[error(
        "key name {name:?} is empty, too long, or holds a space, plus or control character; choose one like a host name and path"
    )]
    KeyName {
        /// The name, shortened.
        name: String,
    },
    /// A verifier key that does not read `name+id+base64`.
    #[error(
        "not a verifier key name+id+base64 of type 0x01 or 0x04, or its id is not its key's; copy it again"
    )]
    VerifierKey,
}

/// The signature types used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Ed25519 over the note's text.
    Ed25519 = 0x01,
    /// Ed25519 over `cosignature/v1`, a time, and the note's text.
    Cosignature = 0x04,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// First four bytes of a hash over name, type and key.
    pub key_id: [u8; 4],
    /// What follows the key id; its form depends on the type.
    pub signature: Vec<u8>,
}

/// A text and the lines that sign it; nothing verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// Joins a text and its signature lines.
    ///
    /// # Errors
    /// [`NoteError`], when the result would not read back.
    pub fn new(text: String, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        let note = Self { text, signatures };
        let read = Self::parse(&note.to_text())?;
        if read == note { Ok(note) } else { Err(NoteError::Form) }
    }

    /// Reads a note.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { bytes: note.len() });
        }
        if let Some(at) = note.bytes().position(|b| b < 0x20 && b != b'\n') {
            let line = note.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
            return Err(NoteError::Control { line });
        }
        // The text may hold blank lines; the last one parts it from the signatures.
        let blank = note.rfind("\n\n").ok_or(NoteError::Form)?;
        let (text, block) = (&note[..blank + 1], &note[blank + 2..]);
        let block = block.strip_suffix('\n').ok_or(NoteError::Form)?;
        let lines = block.split('\n').count();
        if lines > SIGNATURE_LINES_MAX {
            return Err(NoteError::TooManyLines { lines });
        }
        let signatures = block
            .split('\n')
            .enumerate()
            .map(|(i, line)| NoteSignature::parse(line).ok_or(NoteError::Line { line: i + 1 }))
            .collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_string(), signatures })
    }

    /// The note as it is stored and sent.
    pub fn to_text(&self) -> String {
        let mut text = self.text.clone();
        text.push('\n');
        for signature in &self.signatures {
            text.push_str(&signature.to_line());
            text.push('\n');
        }
        text
    }

    /// What is signed, the final line feed included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in their order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }
}

impl NoteSignature {
    /// Reads a signature line without its line feed.
    pub fn parse(line: &str) -> Option<Self> {
        let (name, text) = line.strip_prefix("— ")?.split_once(' ')?;
        check_key_name(name).ok()?;
        let bytes = from_base64(text)?;
        let (key_id, signature) = bytes.split_first_chunk::<4>()?;
        if signature.is_empty() {
            return None;
        }
        Some(Self { name: name.to_string(), key_id: *key_id, signature: signature.to_vec() })
    }

    /// The line, without its line feed.
    pub fn to_line(&self) -> String {
        let bytes = [self.key_id.as_slice(), &self.signature].concat();
        alloc::format!("— {} {}", self.name, to_base64(&bytes))
    }

    /// Time and signature, if this has the length of an Ed25519 cosignature: seconds since
    /// 1970-01-01T00:00Z.
    pub fn cosignature(&self) -> Option<(u64, Signature)> {
        let (time, signature) = self.signature.split_first_chunk::<8>()?;
        let time_s = u64::from_be_bytes(*time);
        let signature = signature.try_into().ok().map(Signature)?;
        (time_s <= i64::MAX as u64).then_some((time_s, signature))
    }
}

/// A key whose signatures on notes are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: Kind,
    key: PublicKey,
    id: [u8; 4],
}

impl VerifierKey {
    /// Joins name, type and key, and computes the key id.
    ///
    /// # Errors
    /// [`NoteError::KeyName`].
    pub fn new(name: &str, kind: Kind, key: PublicKey) -> Result<Self, NoteError> {
        check_key_name(name)?;
        Ok(Self { name: name.to_string(), kind, key, id: key_id(name, kind, &key) })
    }

    /// Reads `name+id+base64(type ‖ key)`, the form that policies list keys in.
    ///
    /// # Errors
    /// [`NoteError::VerifierKey`], [`NoteError::KeyName`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey);
        };
        let bytes = from_base64(key).ok_or(NoteError::VerifierKey)?;
        let (kind, key) = match bytes.split_first() {
            Some((0x01, key)) => (Kind::Ed25519, key),
            Some((0x04, key)) => (Kind::Cosignature, key),
            _ => return Err(NoteError::VerifierKey),
        };
        let key = key.try_into().map_err(|_| NoteError::VerifierKey)?;
        let read = Self::new(name, kind, PublicKey(key))?;
        if hex(read.id) == id { Ok(read) } else { Err(NoteError::VerifierKey) }
    }

    /// `name+id+base64(type ‖ key)`.
    pub fn to_text(&self) -> String {
        let bytes = [&[self.kind as u8], self.key.0.as_slice()].concat();
        alloc::format!("{}+{}+{}", self.name, hex(self.id), to_base64(&bytes))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The public key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether a line claims to be by this key: same name and same key id.
    pub fn is_named_by(&self, line: &NoteSignature) -> bool {
        self.name == line.name && self.id == line.key_id
    }

    /// Whether a line is this key's signature on `text`.
    pub fn verify(&self, text: &str, line: &NoteSignature) -> bool {
        if !self.is_named_by(line) {
            return false;
        }
        match self.kind {
            Kind::Ed25519 => line
                .signature
                .as_slice()
                .try_into()
                .is_ok_and(|bytes| self.key.verify_strict(text.as_bytes(), &Signature(bytes))),
            Kind::Cosignature => line.cosignature().is_some_and(|(time_s, signature)| {
                self.key.verify_strict(&cosigned_bytes(text, time_s), &signature)
            }),
        }
    }

    /// Signs `text` on behalf of this key. `time_s` (seconds since 1970-01-01T00:00Z, at most
    /// 2⁶³ − 1) enters cosignatures only; `sign` answers with the key's signature on the bytes it
    /// is given.
    pub fn sign_with(&self, text: &str, time_s: u64, sign: impl FnOnce(&[u8]) -> Signature) -> NoteSignature {
        let signature = match self.kind {
            Kind::Ed25519 => sign(text.as_bytes()).0.to_vec(),
            Kind::Cosignature => {
                [time_s.to_be_bytes().as_slice(), &sign(&cosigned_bytes(text, time_s)).0].concat()
            }
        };
        NoteSignature { name: self.name.clone(), key_id: self.id, signature }
    }

    /// [`VerifierKey::sign_with`] the private half at hand.
    pub fn sign(&self, text: &str, time_s: u64, key: &SigningKey) -> NoteSignature {
        self.sign_with(text, time_s, |bytes| Signature(key.sign(bytes).to_bytes()))
    }
}

/// The bytes that a cosignature signs: `cosignature/v1`, the time, and the whole text.
pub fn cosigned_bytes(text: &str, time_s: u64) -> Vec<u8> {
    alloc::format!("cosignature/v1\ntime {time_s}\n{text}").into_bytes()
}

/// `SHA-256(name ‖ 0x0A ‖ type ‖ key)`, its first four bytes.
pub fn key_id(name: &str, kind: Kind, key: &PublicKey) -> [u8; 4] {
    let hash = Digest::of(&[name.as_bytes(), b"\n", &[kind as u8], &key.0]);
    [hash.0[0], hash.0[1], hash.0[2], hash.0[3]]
}

/// Accepts a name that notes can carry.
///
/// # Errors
/// [`NoteError::KeyName`].
pub fn check_key_name(name: &str) -> Result<(), NoteError> {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > KEY_NAME_BYTES_MAX || name.chars().any(forbidden) {
        return Err(NoteError::KeyName { name: name.chars().take(70).collect() });
    }
    Ok(())
}

/// Standard base64 with padding (RFC 4648 section 4).
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads standard base64 that is exactly what [`to_base64`] writes.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

fn hex(id: [u8; 4]) -> String {
    alloc::format!("{:08x}", u32::from_be_bytes(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    /// The example that the first implementation of the format documents itself with.
    const EXAMPLE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const EXAMPLE_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn a_published_note_verifies_under_its_published_key() {
        let note = Note::parse(EXAMPLE).unwrap();
        let key = VerifierKey::parse(EXAMPLE_KEY).unwrap();
        assert_eq!(key.to_text(), EXAMPLE_KEY);
        assert!(key.verify(note.text(), &note.signatures()[0]));
        assert_eq!(note.to_text(), EXAMPLE);
        assert!(!key.verify("another text\n", &note.signatures()[0]));
    }

    fn key(seed: u8, kind: Kind) -> (SigningKey, VerifierKey) {
        let private = SigningKey::from_bytes(&[seed; 32]);
        let public = PublicKey(private.verifying_key().to_bytes());
        (private, VerifierKey::new("kommune.example/v1", kind, public).unwrap())
    }

    #[test]
    fn a_cosignature_signs_version_time_and_text() {
        let (private, public) = key(1, Kind::Cosignature);
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let line = public.sign(text, 1_679_315_147, &private);
        assert_eq!(
            cosigned_bytes(text, 1_679_315_147),
            alloc::format!("cosignature/v1\ntime 1679315147\n{text}").as_bytes()
        );
        assert_eq!(line.cosignature().unwrap().0, 1_679_315_147);
        assert!(public.verify(text, &line));
        let mut later = line.clone();
        later.signature[7] ^= 1;
        assert!(!public.verify(text, &later));
        // The type stands in the key id: the same key and name do not speak for another type.
        let (_, plain) = key(1, Kind::Ed25519);
        assert!(!plain.is_named_by(&line));
        assert!(!plain.verify(text, &line));
    }

    #[test]
    fn a_time_past_what_the_specification_allows_is_no_cosignature() {
        let (private, public) = key(1, Kind::Cosignature);
        assert!(!public.verify("text\n", &public.sign("text\n", 1 << 63, &private)));
    }

    #[test]
    fn a_note_that_would_read_two_ways_is_refused() {
        let (private, public) = key(2, Kind::Ed25519);
        let good = Note::new("text\n".into(), vec![public.sign("text\n", 0, &private)]).unwrap().to_text();
        assert!(Note::parse(&good).is_ok());
        let line = good.lines().last().unwrap();
        let cases = [
            good.replace('\n', "\r\n"),
            good.trim_end().to_string(),
            alloc::format!("{good}\n"),
            good.replace("\n\n", "\n"),
            good.replace("— ", "- "),
            good.replace("— ", "—  "),
            good.replace("example/v1 ", "example/v1  "),
            good.replace("example/v1", "example+v1"),
            good.replace("example/v1", "example\u{a0}v1"),
            good.replace("kommune.example/v1", ""),
            good.trim_end().trim_end_matches('=').to_string() + "\n",
            alloc::format!("text\n\n{line} \n"),
            "text\n\n".to_string(),
            "text\n\n\n".to_string(),
            "text\n\n— a AAAAAA==\n".to_string(),
            "text\n\n— a AAAAAAAAAAB=\n".to_string(),
            String::new(),
            alloc::format!("text\n\n{}", alloc::format!("{line}\n").repeat(SIGNATURE_LINES_MAX + 1)),
            "x".repeat(NOTE_BYTES_MAX + 1),
        ];
        for case in cases {
            assert!(Note::parse(&case).is_err(), "{case:?}");
        }
        // Blank lines belong to the text; only the last one parts it from the signatures.
        let text = "one\n\n\ntwo\n";
        let note = Note::new(text.into(), vec![public.sign(text, 0, &private)]).unwrap();
        assert_eq!(Note::parse(&note.to_text()).unwrap().text(), text);
        // A text with a blank line at its end would be read with a shorter text.
        assert!(Note::new("no line feed".into(), vec![public.sign("", 0, &private)]).is_err());
        assert!(Note::new("text\n".into(), vec![]).is_err());
    }

    #[test]
    fn a_verifier_key_whose_id_is_not_its_own_is_refused() {
        for wrong in [
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3",
            "",
        ] {
            assert_eq!(VerifierKey::parse(wrong), Err(NoteError::VerifierKey), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn whatever_parses_is_written_back_byte_for_byte(
            text in "[a-z\n]{0,20}\n\n(— [a-z./]{1,5} [A-Za-z0-9+/]{8}\n){0,3}"
        ) {
            if let Ok(note) = Note::parse(&text) {
                prop_assert_eq!(note.to_text(), text);
            }
        }
    }
}
