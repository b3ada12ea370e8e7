//! Budgets: what is appropriated and what is booked against it, with what proves it.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use ledger::account::Class;
use ledger::records::{AppropriationRecord, BudgetRecord};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Rpc;
use super::problem::{LookupProblems, Problem};
use super::proving::at_checkpoint;
use super::request::{Params, Terms, org_number};
use super::text::{Base64, Hex, Money, Organisation};

/// A year.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InYear {
    /// Accounting year.
    #[param(minimum = 1900, maximum = 9999, example = 2026)]
    year: u16,
}

/// One appropriation: what was decided, and what is booked.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AppropriationView {
    /// Whether it is of the investment budget.
    investment: bool,
    /// Whether the council's limit binds: expense, but for VAT that is compensated.
    limited: bool,
    /// Function, where the budget appropriates by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    function: Option<u16>,
    /// First two digits of the art, where the budget appropriates by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    art_group: Option<u16>,
    /// Cost centre, where the budget appropriates by it and the line has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cost_centre: Option<u32>,
    /// Project, where the budget appropriates by it and the line has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    project: Option<u32>,
    /// What is appropriated under the version in force, expense positive.
    adopted: Money,
    /// What is booked in the year, debit positive.
    actual: Money,
    /// How many approvals went beyond it by legal duty.
    overrides: u32,
}

impl AppropriationView {
    fn new(record: &AppropriationRecord, version: u32) -> Self {
        let cell = record.cell;
        Self {
            investment: cell.class == Class::Investment,
            limited: cell.limited,
            function: cell.function,
            art_group: cell.art_group,
            cost_centre: cell.cost_centre,
            project: cell.project,
            adopted: record.in_force(version).into(),
            actual: record.actual.into(),
            overrides: record.overrides,
        }
    }
}

/// The budget of an entity and year, with proof.
#[derive(Serialize, ToSchema)]
pub(super) struct ProvenBudget {
    /// The entity.
    entity: Organisation,
    /// Accounting year.
    year: u16,
    /// The version in force; 0 while the first is not complete.
    version: u32,
    /// Whether a later version is begun and not complete.
    open: bool,
    /// Commitment to the council's decision on the version last begun.
    decision: Hex,
    /// In their order; the budget's record counts them, so that none can be left out.
    appropriations: Vec<AppropriationView>,
    /// Leaves under the checkpoint that everything is proven under.
    checkpoint_size: u64,
    /// Canonical bytes of `StateProofs`, under one checkpoint: the budget's record first, then the
    /// appropriations' in their order. More than one item only past 4,096 records.
    proofs: Vec<Base64>,
}

/// The budget of an entity and year: every appropriation, and what is booked against it.
#[utoipa::path(
    get, path = "/v1/entities/{entity}/budget", tag = "books", operation_id = "budget",
    params(("entity" = Organisation, Path, description = "Its organisation number"), InYear),
    responses((status = 200, description = "Every appropriation of the year", body = ProvenBudget), LookupProblems)
)]
pub(super) async fn budget(
    State(rpc): State<Rpc>,
    Params(entity): Params<String>,
    Terms(InYear { year }): Terms<InYear>,
) -> Result<impl IntoResponse, Problem> {
    let entity = org_number(&entity)?;
    let _turn = rpc.turn().await?;
    let mut proven = at_checkpoint(&rpc, move |ledger| {
        let key = (entity, year);
        let record = (ledger.find::<BudgetRecord>(&key)?.clone(), ledger.prove::<BudgetRecord>(&key)?);
        let appropriations: Vec<_> = ledger
            .appropriations(entity, year)
            .filter_map(|record| {
                let path = ledger.prove::<AppropriationRecord>(&(entity, year, record.cell))?;
                Some((record.clone(), path))
            })
            .collect();
        Some((record, appropriations))
    })
    .await?;
    let Some(((record, path), appropriations)) = proven.answer.take() else {
        return Err(Problem::not_found(format!("entity {entity} has no budget of {year}")));
    };
    let answer = rpc.read(move |store| {
        let mut paths = vec![path];
        let mut views = Vec::with_capacity(appropriations.len());
        for (appropriation, path) in appropriations {
            views.push(AppropriationView::new(&appropriation, record.version));
            paths.push(path);
        }
        Ok(ProvenBudget {
            entity: entity.into(),
            year,
            version: record.version,
            open: record.open,
            decision: (&record.decision).into(),
            appropriations: views,
            checkpoint_size: proven.checkpoint.size,
            proofs: proven.state_proofs(store, &paths)?,
        })
    });
    Ok(Json(answer.await?))
}
