-- Hovedbok's books for reporting tools: schema version 2. specs/sink.md explains every table and view.
-- Amounts named *_ore are whole øre, debit positive; views give kroner beside them.

CREATE SCHEMA hovedbok;
SET LOCAL search_path TO hovedbok;

CREATE TABLE chain (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  schema_version integer NOT NULL,
  genesis bytea NOT NULL,
  height bigint NOT NULL,
  block_time timestamptz,
  log_size bigint NOT NULL,
  frontier bytea NOT NULL,
  checkpoint text NOT NULL,
  updated timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE chain IS 'How far the copy has come; moves in the same transaction as the rows.';

CREATE TABLE blocks (
  height bigint PRIMARY KEY,
  block_time timestamptz NOT NULL,
  epoch bigint NOT NULL,
  first_leaf bigint NOT NULL,
  transactions bigint NOT NULL,
  log_size bigint NOT NULL
);

CREATE TABLE transactions (
  leaf bigint PRIMARY KEY,
  id text NOT NULL UNIQUE,
  submitter integer NOT NULL,
  payment_number text NOT NULL,
  operation text NOT NULL,
  height bigint NOT NULL REFERENCES blocks,
  entries integer NOT NULL,
  UNIQUE (submitter, payment_number)
);

CREATE TABLE entities (
  entity integer PRIMARY KEY,
  name text NOT NULL,
  kind text NOT NULL,
  sector integer NOT NULL,
  books_from integer,
  leaf bigint
);
COMMENT ON COLUMN entities.books_from IS 'First period of its books as yyyymm; null if it keeps none here.';
COMMENT ON COLUMN entities.leaf IS 'Leaf of its registration; null if it stood in genesis.';

CREATE TABLE accounts (
  account text PRIMARY KEY,
  class text NOT NULL,
  function integer,
  art integer,
  chapter integer,
  sector integer,
  number integer,
  carries_over boolean NOT NULL
);
COMMENT ON TABLE accounts IS 'Every account that was posted to, taken apart.';

CREATE TABLE documents (
  document bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  seller integer NOT NULL,
  number text NOT NULL,
  issued date NOT NULL,
  buyer integer NOT NULL,
  kind text NOT NULL,
  corrects bigint REFERENCES documents,
  status text NOT NULL,
  posting_date date NOT NULL,
  due date NOT NULL,
  payable_ore bigint NOT NULL,
  open_ore bigint NOT NULL,
  settled_ore bigint NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  reason text,
  leaf bigint NOT NULL REFERENCES transactions,
  last_leaf bigint NOT NULL REFERENCES transactions,
  UNIQUE (seller, number, issued)
);
CREATE INDEX ON documents (buyer, status);

CREATE TABLE steps (
  leaf bigint NOT NULL REFERENCES transactions,
  document bigint NOT NULL REFERENCES documents,
  step text NOT NULL,
  PRIMARY KEY (leaf, document)
);
CREATE INDEX ON steps (document);
COMMENT ON TABLE steps IS 'The life of each document: one row for each transaction about it; a netting is about two.';

CREATE TABLE entries (
  entity integer NOT NULL,
  year integer NOT NULL,
  voucher bigint NOT NULL,
  posting_date date NOT NULL,
  period integer NOT NULL,
  document bigint REFERENCES documents,
  reverses_year integer,
  reverses_voucher bigint,
  leaf bigint NOT NULL REFERENCES transactions,
  PRIMARY KEY (entity, year, voucher),
  FOREIGN KEY (entity, reverses_year, reverses_voucher) REFERENCES entries
);
COMMENT ON COLUMN entries.reverses_voucher IS 'The voucher that this one takes back in full.';
CREATE INDEX ON entries (leaf);

CREATE TABLE postings (
  entity integer NOT NULL,
  year integer NOT NULL,
  voucher bigint NOT NULL,
  line integer NOT NULL,
  period integer NOT NULL,
  posting_date date NOT NULL,
  account text NOT NULL REFERENCES accounts,
  amount_ore bigint NOT NULL CHECK (amount_ore <> 0),
  cost_centre bigint,
  project bigint,
  counterparty integer,
  vat_code integer,
  vat_regime text,
  vat_base_ore bigint,
  vat_rate numeric(7, 2),
  leaf bigint NOT NULL,
  PRIMARY KEY (entity, year, voucher, line),
  FOREIGN KEY (entity, year, voucher) REFERENCES entries
);
CREATE INDEX ON postings (entity, period, account);
CREATE INDEX ON postings (counterparty) WHERE counterparty IS NOT NULL;
COMMENT ON COLUMN postings.vat_rate IS 'Per cent.';

CREATE TABLE closed_periods (
  entity integer NOT NULL,
  period integer NOT NULL,
  leaf bigint NOT NULL REFERENCES transactions,
  PRIMARY KEY (entity, period)
);

CREATE TABLE budgets (
  entity integer NOT NULL,
  year integer NOT NULL,
  version integer NOT NULL,
  leaf bigint NOT NULL REFERENCES transactions,
  PRIMARY KEY (entity, year, version)
);
COMMENT ON TABLE budgets IS 'Versions in force: each from the part on that completed it.';

CREATE TABLE budget_lines (
  leaf bigint NOT NULL REFERENCES transactions,
  line integer NOT NULL,
  entity integer NOT NULL,
  year integer NOT NULL,
  version integer NOT NULL,
  account text NOT NULL REFERENCES accounts,
  amount_ore bigint NOT NULL,
  cost_centre bigint,
  project bigint,
  PRIMARY KEY (leaf, line)
);
CREATE INDEX ON budget_lines (entity, year);
COMMENT ON TABLE budget_lines IS 'What each version appropriates, or changes by; those of a version not in budgets wait.';

CREATE VIEW budget_against_actual AS
WITH adopted AS (
  SELECT l.entity, l.year, l.account, sum(l.amount_ore) AS adopted_ore
  FROM budget_lines l JOIN budgets USING (entity, year, version)
  GROUP BY l.entity, l.year, l.account
), booked AS (
  SELECT p.entity, p.period / 100 AS year, p.account, sum(p.amount_ore) AS booked_ore
  FROM postings p JOIN accounts a USING (account)
  WHERE a.class IN ('investment', 'operating')
  GROUP BY p.entity, p.period / 100, p.account
)
SELECT entity, year, account, a.class, a.function, a.art,
       coalesce(adopted_ore, 0) AS adopted_ore, coalesce(booked_ore, 0) AS booked_ore,
       coalesce(adopted_ore, 0) - coalesce(booked_ore, 0) AS left_ore,
       round(coalesce(adopted_ore, 0) / 100.0, 2) AS adopted, round(coalesce(booked_ore, 0) / 100.0, 2) AS booked
FROM adopted FULL JOIN booked USING (entity, year, account) JOIN accounts a USING (account)
WHERE EXISTS (SELECT FROM budgets b WHERE b.entity = coalesce(adopted.entity, booked.entity)
              AND b.year = coalesce(adopted.year, booked.year));
COMMENT ON VIEW budget_against_actual IS 'Of years that have a budget in force: each account, expense positive.';

CREATE VIEW trial_balance AS
WITH movements AS (
  SELECT p.entity, p.account, a.carries_over, p.period,
         sum(greatest(p.amount_ore, 0)) AS debit_ore,
         sum(greatest(-p.amount_ore, 0)) AS credit_ore,
         count(*) AS postings
  FROM postings p JOIN accounts a USING (account)
  GROUP BY p.entity, p.account, a.carries_over, p.period
), running AS (
  SELECT m.*, sum(debit_ore - credit_ore) OVER (
    PARTITION BY entity, account, CASE WHEN carries_over THEN 0 ELSE period / 100 END ORDER BY period
  ) AS closing_ore
  FROM movements m
)
SELECT entity, period, account, postings,
       closing_ore - debit_ore + credit_ore AS opening_ore, debit_ore, credit_ore, closing_ore,
       round((closing_ore - debit_ore + credit_ore) / 100.0, 2) AS opening,
       round(debit_ore / 100.0, 2) AS debit,
       round(credit_ore / 100.0, 2) AS credit,
       round(closing_ore / 100.0, 2) AS closing
FROM running;
COMMENT ON VIEW trial_balance IS 'Per entity, period and account with postings in it, as "hovedbok accounts" proves it.';

CREATE VIEW general_ledger AS
SELECT p.entity, e.name AS entity_name, p.period, p.posting_date, p.account, a.class, a.function, a.art, a.chapter,
       p.year, p.voucher, p.line, p.amount_ore, round(p.amount_ore / 100.0, 2) AS amount,
       p.cost_centre, p.project, p.counterparty, c.name AS counterparty_name,
       p.vat_code, p.vat_regime, p.vat_rate, d.seller, d.number, d.issued, p.leaf
FROM postings p
JOIN accounts a USING (account)
JOIN entries n USING (entity, year, voucher)
LEFT JOIN documents d USING (document)
LEFT JOIN entities e ON e.entity = p.entity
LEFT JOIN entities c ON c.entity = p.counterparty;

CREATE VIEW open_documents AS
SELECT d.document, d.buyer, b.name AS buyer_name, d.seller, s.name AS seller_name, d.number, d.issued, d.kind,
       d.status, d.due, d.open_ore, round(d.open_ore / 100.0, 2) AS open, d.leaf
FROM documents d
LEFT JOIN entities b ON b.entity = d.buyer
LEFT JOIN entities s ON s.entity = d.seller
WHERE d.open_ore <> 0;

CREATE VIEW supplier_ledger AS
SELECT d.buyer, d.seller, s.name AS seller_name,
       count(*) AS documents,
       sum(CASE WHEN d.kind = 'invoice' THEN d.payable_ore ELSE -d.payable_ore END) AS invoiced_ore,
       sum(CASE WHEN d.kind = 'invoice' THEN d.settled_ore ELSE -d.settled_ore END) AS paid_ore,
       sum(CASE WHEN d.kind = 'invoice' THEN d.open_ore ELSE -d.open_ore END) AS open_ore
FROM documents d LEFT JOIN entities s ON s.entity = d.seller
GROUP BY d.buyer, d.seller, s.name;

CREATE VIEW vat_by_term AS
SELECT p.entity, p.period / 100 AS year, (p.period % 100 + 1) / 2 AS term, p.vat_code, p.vat_regime, p.account,
       sum(p.amount_ore) AS amount_ore, count(*) AS postings
FROM postings p
WHERE p.vat_code IS NOT NULL
GROUP BY p.entity, p.period / 100, (p.period % 100 + 1) / 2, p.vat_code, p.vat_regime, p.account;

CREATE VIEW intermunicipal AS
SELECT p.entity, p.counterparty, p.year, p.account, sum(p.amount_ore) AS amount_ore, count(*) AS postings
FROM postings p JOIN entities c ON c.entity = p.counterparty AND c.books_from IS NOT NULL
GROUP BY p.entity, p.counterparty, p.year, p.account;

CREATE VIEW balance_check AS
SELECT entity, year, voucher, sum(amount_ore) AS difference_ore
FROM postings GROUP BY entity, year, voucher HAVING sum(amount_ore) <> 0;
COMMENT ON VIEW balance_check IS 'Empty: every voucher balances to the øre.';
