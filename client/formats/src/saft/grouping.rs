//! Under which category and code of the official lists an account is reported (GroupingCategory and
//! GroupingCode, mandatory since version 1.30).
//!
//! Municipalities and counties report arts and chapters (`KA_K`), state bodies the state's chart
//! (`KS`), private parties the items of the income statement (næringsspesifikasjon, which took the
//! place of the forms RF-1167 and RF-1175). The first two follow from the account itself. The third is
//! the owner's choice where several items fit; what stands here is the usual one for NS 4102 numbers.
//!
//! Source: github.com/Skatteetaten/saf-t, "Grouping Category Code 2025-2026", commit 112bd875; for
//! periods to 2024 "KOSTRA_Arts_2024_kommuner.csv".

use std::ops::RangeInclusive;

use ledger::account::{Account, Class};

/// Category and code of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// The list (GroupingCategory).
    pub category: &'static str,
    /// The code in it (GroupingCode).
    pub code: String,
    /// Whether the list of the year has that code.
    pub listed: bool,
}

/// Arts of the lists of 2024 and of 2025 and 2026.
const ARTS: [u16; 112] = [
    10, 20, 30, 40, 50, 70, 75, 80, 89, 90, 99, 100, 105, 110, 114, 115, 120, 130, 140, 150, 160, 165, 170,
    180, 181, 182, 183, 184, 185, 190, 195, 200, 209, 210, 220, 230, 240, 250, 260, 280, 285, 300, 330, 350,
    370, 380, 400, 429, 430, 450, 470, 480, 500, 501, 509, 510, 511, 512, 520, 521, 522, 529, 530, 540, 550,
    570, 589, 590, 600, 620, 629, 630, 640, 650, 660, 670, 700, 710, 729, 730, 750, 770, 780, 800, 810, 830,
    850, 870, 871, 872, 873, 876, 877, 880, 890, 900, 901, 905, 909, 910, 911, 912, 920, 921, 922, 929, 940,
    950, 970, 980, 989, 990,
];
/// Arts of the list of 2024 only.
const ARTS_TO_2024: [u16; 7] = [270, 375, 475, 775, 875, 895, 930];
/// Arts of the list of 2025 and 2026 only.
const ARTS_FROM_2025: [u16; 4] = [271, 272, 878, 879];
/// Chapters of all lists.
const CHAPTERS: [u16; 44] = [
    10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 27, 29, 31, 32, 33, 34, 35, 39, 40, 411, 412,
    431, 451, 452, 453, 454, 47, 51, 53, 55, 56, 580, 581, 5900, 5970, 5990, 9100, 9110, 9200, 9999,
];

/// The three digits of the list of the state's chart (STAT_Grouping_Category_Code.csv, 2024 to 2026).
const STATE: [RangeInclusive<u16>; 6] = [100..=439, 450..=559, 570..=719, 730..=789, 800..=859, 870..=899];
/// Its bank accounts that have four digits.
const STATE_BANK: [u16; 22] = [
    1970, 1975, 1976, 1977, 1978, 1980, 1981, 1982, 1983, 1984, 1985, 1986, 1987, 1988, 1989, 1990, 1991,
    1992, 1996, 1997, 1998, 1999,
];

const FIXED: &str = "balanseverdiForAnleggsmiddel";
const CURRENT: &str = "balanseverdiForOmloepsmiddel";
const EQUITY: &str = "egenkapital";
const LONG: &str = "langsiktigGjeld";
const SHORT: &str = "kortsiktigGjeld";
const SALES: &str = "salgsinntekt";
const INCOME: &str = "annenDriftsinntekt";
const GOODS: &str = "varekostnad";
const WAGES: &str = "loennskostnad";
const COST: &str = "annenDriftskostnad";
const FINANCE_INCOME: &str = "finansinntekt";
const FINANCE_COST: &str = "finanskostnad";
const TAX: &str = "skattekostnad";
const RESULT: &str = "resultatDisponeringForSAF-T";

/// From which account of NS 4102 on an item is used, up to the next row.
const ITEMS: &[(u16, &str, u16)] = &[
    (1000, FIXED, 1000),
    (1020, FIXED, 1020),
    (1070, FIXED, 1070),
    (1080, FIXED, 1080),
    (1090, FIXED, 1020),
    (1100, FIXED, 1105),
    (1110, FIXED, 1115),
    (1120, FIXED, 1120),
    (1130, FIXED, 1130),
    (1140, FIXED, 1140),
    (1150, FIXED, 1150),
    (1160, FIXED, 1160),
    (1170, FIXED, 1290),
    (1180, FIXED, 1180),
    (1190, FIXED, 1290),
    (1200, FIXED, 1205),
    (1210, FIXED, 1130),
    (1220, FIXED, 1221),
    (1225, FIXED, 1225),
    (1230, FIXED, 1205),
    (1238, FIXED, 1238),
    (1240, FIXED, 1205),
    (1260, FIXED, 1120),
    (1270, FIXED, 1205),
    (1280, FIXED, 1280),
    (1290, FIXED, 1290),
    (1300, FIXED, 1313),
    (1320, FIXED, 1320),
    (1330, FIXED, 1332),
    (1340, FIXED, 1340),
    (1350, FIXED, 1350),
    (1360, FIXED, 1360),
    (1370, FIXED, 1370),
    (1380, FIXED, 1380),
    (1390, FIXED, 1390),
    (1395, FIXED, 1395),
    (1400, CURRENT, 1400),
    (1490, CURRENT, 1490),
    (1500, CURRENT, 1500),
    (1530, CURRENT, 1530),
    (1550, CURRENT, 1501),
    (1560, CURRENT, 1560),
    (1565, CURRENT, 1565),
    (1570, CURRENT, 1570),
    (1580, CURRENT, 1500),
    (1590, CURRENT, 1570),
    (1780, CURRENT, 1780),
    (1790, CURRENT, 1570),
    (1800, CURRENT, 1800),
    (1810, CURRENT, 1810),
    (1820, CURRENT, 1800),
    (1830, CURRENT, 1830),
    (1840, CURRENT, 1840),
    (1870, CURRENT, 1880),
    (1895, CURRENT, 1895),
    (1900, CURRENT, 1900),
    (1920, CURRENT, 1920),
    (1950, CURRENT, 1950),
    (1960, CURRENT, 1920),
    (2000, EQUITY, 2000),
    (2010, EQUITY, 2010),
    (2020, EQUITY, 2020),
    (2030, EQUITY, 2030),
    (2040, EQUITY, 2050),
    (2043, EQUITY, 2043),
    (2044, EQUITY, 2050),
    (2080, EQUITY, 2080),
    (2090, EQUITY, 2050),
    (2100, LONG, 2100),
    (2120, LONG, 2120),
    (2130, LONG, 2130),
    (2160, LONG, 2160),
    (2180, LONG, 2180),
    (2200, LONG, 2200),
    (2210, LONG, 2210),
    (2220, LONG, 2220),
    (2250, LONG, 2250),
    (2260, LONG, 2260),
    (2270, LONG, 2290),
    (2280, LONG, 2280),
    (2290, LONG, 2290),
    (2300, SHORT, 2310),
    (2320, SHORT, 2320),
    (2330, SHORT, 2330),
    (2340, SHORT, 2380),
    (2400, SHORT, 2400),
    (2460, SHORT, 2460),
    (2470, SHORT, 2400),
    (2500, SHORT, 2500),
    (2510, SHORT, 2510),
    (2600, SHORT, 2600),
    (2700, SHORT, 2740),
    (2770, SHORT, 2770),
    (2790, SHORT, 2790),
    (2800, SHORT, 2800),
    (2900, SHORT, 2900),
    (2910, SHORT, 2910),
    (2920, SHORT, 2920),
    (2930, SHORT, 2949),
    (2950, SHORT, 2950),
    (2960, SHORT, 2990),
    (2970, SHORT, 2970),
    (2980, SHORT, 2980),
    (2990, SHORT, 2990),
    (3000, SALES, 3000),
    (3100, SALES, 3100),
    (3200, SALES, 3200),
    (3300, SALES, 3300),
    (3400, INCOME, 3400),
    (3500, INCOME, 3500),
    (3600, INCOME, 3600),
    (3700, INCOME, 3700),
    (3800, INCOME, 3880),
    (3900, INCOME, 3900),
    (4000, GOODS, 4005),
    (4500, GOODS, 4500),
    (4600, GOODS, 4005),
    (4900, GOODS, 4295),
    (5000, WAGES, 5000),
    (5300, WAGES, 5300),
    (5400, WAGES, 5400),
    (5420, WAGES, 5420),
    (5500, WAGES, 5300),
    (5600, WAGES, 5600),
    (5700, WAGES, 5900),
    (6000, COST, 6000),
    (6050, COST, 6050),
    (6100, COST, 6100),
    (6200, COST, 6200),
    (6300, COST, 6300),
    (6340, COST, 6340),
    (6360, COST, 6395),
    (6400, COST, 6400),
    (6500, COST, 6500),
    (6600, COST, 6600),
    (6620, COST, 6695),
    (6700, COST, 6700),
    (6800, COST, 6995),
    (7000, COST, 7000),
    (7020, COST, 7020),
    (7040, COST, 7040),
    (7080, COST, 7080),
    (7090, COST, 7020),
    (7100, COST, 7155),
    (7140, COST, 7165),
    (7150, COST, 7155),
    (7160, COST, 7165),
    (7200, COST, 7295),
    (7300, COST, 7330),
    (7350, COST, 7350),
    (7360, COST, 7370),
    (7400, COST, 7400),
    (7420, COST, 7420),
    (7430, COST, 7440),
    (7490, COST, 7490),
    (7500, COST, 7500),
    (7550, COST, 7565),
    (7600, COST, 7600),
    (7700, COST, 7700),
    (7800, COST, 7880),
    (7830, COST, 7830),
    (7860, COST, 7860),
    (7870, COST, 7880),
    (7900, COST, 7700),
    (8000, FINANCE_INCOME, 8005),
    (8030, FINANCE_INCOME, 8030),
    (8040, FINANCE_INCOME, 8050),
    (8060, FINANCE_INCOME, 8060),
    (8070, FINANCE_INCOME, 8079),
    (8080, FINANCE_INCOME, 8080),
    (8090, FINANCE_INCOME, 8090),
    (8100, FINANCE_COST, 8100),
    (8110, FINANCE_COST, 8115),
    (8130, FINANCE_COST, 8130),
    (8140, FINANCE_COST, 8150),
    (8160, FINANCE_COST, 8160),
    (8170, FINANCE_COST, 8179),
    (8300, TAX, 8300),
    (8800, RESULT, 8800),
];

/// Category and code of an account in the lists of a year.
pub fn grouping(account: Account, year: u16) -> Grouping {
    let Account { code, .. } = account;
    match account.class {
        Class::Investment | Class::Operating => {
            let own = if year < 2025 { &ARTS_TO_2024[..] } else { &ARTS_FROM_2025[..] };
            let listed = ARTS.contains(&code) || own.contains(&code);
            Grouping { category: "KA_K", code: format!("{code:03}"), listed }
        }
        Class::Balance => {
            Grouping { category: "KA_K", code: code.to_string(), listed: CHAPTERS.contains(&code) }
        }
        Class::State => {
            if STATE_BANK.contains(&code) {
                return Grouping { category: "KS", code: code.to_string(), listed: true };
            }
            let mut three = code;
            while three >= 1000 {
                three /= 10;
            }
            let listed = STATE.iter().any(|range| range.contains(&three));
            Grouping { category: "KS", code: three.to_string(), listed }
        }
        Class::Private => {
            let row = ITEMS.iter().rev().find(|(from, _, _)| *from <= code);
            match row.filter(|_| (1000..=8999).contains(&code)) {
                Some((_, category, item)) => Grouping { category, code: item.to_string(), listed: true },
                None => Grouping { category: "NA", code: "NA".to_string(), listed: false },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(account: &str, year: u16) -> String {
        let Grouping { category, code, listed } = grouping(Account::parse(account).unwrap(), year);
        format!("{category} {code}{}", if listed { "" } else { " ?" })
    }

    #[test]
    fn an_account_is_grouped_by_the_list_of_its_chart_and_year() {
        for (account, year, expected) in [
            ("1.222.260", 2026, "KA_K 260"),
            ("0.841.729", 2026, "KA_K 729"),
            ("1.100.010", 2026, "KA_K 010"),
            ("2.10.000", 2026, "KA_K 10"),
            ("2.5990.000", 2026, "KA_K 5990"),
            ("2.17.000", 2026, "KA_K 17 ?"),
            ("1.222.270", 2024, "KA_K 270"),
            ("1.222.270", 2025, "KA_K 270 ?"),
            ("1.222.271", 2025, "KA_K 271"),
            ("1.222.271", 2024, "KA_K 271 ?"),
            ("S870", 2026, "KS 870"),
            ("S1970", 2026, "KS 1970"),
            ("S1971", 2026, "KS 197"),
            ("S6550", 2026, "KS 655"),
            ("S950", 2026, "KS 950 ?"),
            ("S99", 2026, "KS 99 ?"),
            ("1500", 2026, "balanseverdiForOmloepsmiddel 1500"),
            ("2050", 2026, "egenkapital 2050"),
            ("2700", 2026, "kortsiktigGjeld 2740"),
            ("2740", 2026, "kortsiktigGjeld 2740"),
            ("3000", 2026, "salgsinntekt 3000"),
            ("4300", 2026, "varekostnad 4005"),
            ("6820", 2026, "annenDriftskostnad 6995"),
            ("7770", 2026, "annenDriftskostnad 7700"),
            ("8960", 2026, "resultatDisponeringForSAF-T 8800"),
            ("9000", 2026, "NA NA ?"),
        ] {
            assert_eq!(shown(account, year), expected, "{account} in {year}");
        }
    }

    #[test]
    fn the_items_stand_in_order_and_none_twice() {
        let froms: Vec<u16> = ITEMS.iter().map(|(from, _, _)| *from).collect();
        assert!(froms.windows(2).all(|pair| pair[0] < pair[1]), "{froms:?}");
    }
}
