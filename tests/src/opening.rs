//! The opening of the books in a network of real processes: two towns with keys for every step, and one
//! supplier that they may pay, registered over HTTP as the registrar of `localnet` does it.
//!
//! It leaves out the payments themselves.
//!
//! Invariant: when it returns, the first bill can be submitted at any node that has caught up.

use std::time::Duration;

use ledger::amount::Amount;
use ledger::entity::OrgNumber;
use ledger::time::Date;
use ledger::transaction::Document;

use crate::cluster::{Cluster, Line, results};
use crate::payments::{self, Dice, Town};

/// Who registers in a network that `localnet` laid out: the state's agency, the first operator.
pub const REGISTRAR: u32 = 986_252_932;

/// Two towns and one supplier.
pub struct Opening {
    /// Pays, with keys for every step.
    pub town: Town,
    /// Is paid.
    pub seller: OrgNumber,
    /// Another town, which owes and is owed.
    pub neighbour: Town,
    /// Date of every bill.
    pub today: Date,
}

impl Opening {
    /// Registers both at the first node.
    ///
    /// # Panics
    /// If anything is not posted.
    pub fn of(cluster: &Cluster) -> Self {
        let today = node::run::now().date();
        let from = today.period().previous();
        let mut numbers = payments::spare_numbers(0);
        let mut number = || numbers.next().expect("numbers to spare");
        let town = Town::new(number(), from, &mut Dice::seeded(1));
        let seller = number();
        let neighbour = Town::new(number(), from, &mut Dice::seeded(2));
        let registrar = payments::read_key(&cluster.registrar()).expect("the registrar's key");
        let registrar = (OrgNumber::new(REGISTRAR).expect("a valid number"), &registrar);
        let supplier = payments::supplier(seller, "Skolemat AS", from);
        let entities = [town.entity(), supplier, neighbour.entity()];
        let keys = town.keys().into_iter().chain(neighbour.keys());
        let mut line = Line::new(cluster.rpc[0], Duration::from_secs(20));
        for part in payments::registrations(&cluster.chain, registrar, entities, keys) {
            let answer = line.post("/v1/transactions", &payments::batch_body(&part)).expect("an answer");
            for result in results(&answer).expect("results") {
                assert_eq!(result.status, "posted", "{result:?}");
            }
        }
        Self { town, seller, neighbour, today }
    }

    /// A bill of the supplier to the town, of this net amount in øre.
    pub fn bill(&self, number: &str, net: i64) -> Document {
        payments::document(self.town.number, self.seller, number, self.today, Amount(net), 1)
    }
}
