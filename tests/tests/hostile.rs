//! A bounded siege: strangers' bytes into every reader and handler. `make fuzz` goes on for longer.

use formats::ehf::{Options, check};
use ledger::digest::Digest;
use ledger::transaction::{SignedTransaction, TransactionError};
use tests::chain::Chain;
use tests::hostile::{Siege, address_space_peak};
use tests::traffic::Traffic;

/// About a second each.
const SIEGES: u64 = 20;
const BITES: u64 = 3000;
/// The tests' own worlds and threads take some of it; a length prefix that lies would ask for more.
const ADDRESS_SPACE_MAX: u64 = 4 << 30;

#[test]
fn r20_no_strangers_bytes_stop_a_validator_or_read_in_two_ways() {
    for seed in 1..=SIEGES {
        let mut siege = Siege::new(seed);
        for _ in 0..BITES {
            siege.bite();
        }
        siege.end();
        let (bites, read) = siege.counts();
        println!("siege {seed}: {bites} bites, {read} read as what they pretend to be");
        assert!(read > BITES / 50, "the bites are too wild to pass any reader");
    }
    if let Some(peak) = address_space_peak() {
        println!("address space at most {} MiB", peak >> 20);
        assert!(peak < ADDRESS_SPACE_MAX, "{peak} bytes of address space were asked for");
    }
}

#[test]
fn l0_a_transaction_for_another_chain_or_changed_after_signing_is_refused() {
    let (chain, mut traffic) = (Chain::of(4), Traffic::new(1));
    let signed = traffic.life(&chain).steps[0].clone();
    assert!(signed.clone().verify(chain.trust.chain()).is_ok());
    let other = *Chain::of(5).trust.chain();
    assert!(matches!(signed.clone().verify(&other), Err(TransactionError::BadSignature { .. })));
    let mut changed = signed.clone();
    changed.transaction.id.number[0] ^= 1;
    assert!(matches!(changed.verify(chain.trust.chain()), Err(TransactionError::BadSignature { .. })));
    let mut unsigned = signed.clone();
    unsigned.signatures.clear();
    let bytes = ledger::codec::encode(&unsigned);
    assert_eq!(SignedTransaction::decode(&bytes), Err(TransactionError::SignatureList { count: 0, max: 4 }));
    assert_ne!(Digest::of(&[&bytes]), Digest::of(&[&ledger::codec::encode(&signed)]));
}

#[test]
fn l15_an_invoice_in_euro_is_refused_before_anything_is_made_of_it() {
    let invoice = include_str!("../../client/formats/testdata/kurs-sandnes.xml");
    assert!(check(invoice.as_bytes(), &Options::default()).is_ok());
    let Err(refused) = check(invoice.replace("NOK", "EUR").as_bytes(), &Options::default()) else {
        panic!("an invoice in euro was accepted");
    };
    assert!(refused.first().message.contains("NOK"), "{}", refused.first().message);
}
