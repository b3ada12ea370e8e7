//! Lines: what each must hold, and whether quantity × price makes its net amount.

use super::check::{Check, amount, decimal, is_charge, is_vat, kr};
use crate::decimal::Decimal;
use crate::xml::Element;

/// The tolerance of the two rules that multiply.
pub(super) fn two_ore() -> Decimal {
    Decimal::from_ore(2)
}

pub(super) fn check(check: &mut Check<'_>) {
    let quantity_name = check.quantity_name();
    let lines: Vec<_> = check.lines().collect();
    for line in lines {
        let quantity = line.first(quantity_name);
        let price = line.first("cac:Price");
        let net = line.first("cbc:LineExtensionAmount");
        let price_amount = price.and_then(|price| price.first("cbc:PriceAmount"));
        if line.value("cbc:ID").is_none() {
            check.refuse("BR-21", line, "the line has no number");
        }
        match quantity {
            None => check.refuse("BR-22", line, "the line has no quantity"),
            Some(quantity) if quantity.attribute("unitCode").is_none() => {
                check.refuse("BR-23", line, "the line's quantity has no unit");
            }
            Some(_) => {}
        }
        if quantity.is_none() {
            check.refuse("BR-23", line, "the line has no unit");
        }
        if net.is_none() {
            check.refuse("BR-24", line, "the line has no net amount");
        }
        if line.value("cac:Item/cbc:Name").is_none() {
            check.refuse("BR-25", line, "the line does not name what was delivered");
        }
        match price_amount {
            None => {
                check.refuse("BR-26", line, "the line has no price");
                check.refuse("BR-27", line, "the line has no price");
            }
            Some(price) if decimal(Some(price)).is_some_and(|price| price.is_negative()) => {
                check.refuse("BR-27", price, "the price is negative; a return has a negative quantity");
            }
            Some(_) => {}
        }
        line_counts(check, line);
        net_amount(check, line, net, quantity, price);
        if let Some(price) = price {
            net_price(check, price, quantity);
        }
    }
}

fn line_counts(check: &mut Check<'_>, line: Element<'_>) {
    let categories = line.all("cac:Item/cac:ClassifiedTaxCategory");
    if !categories.iter().any(|tax| is_vat(*tax) && tax.first("cbc:ID").is_some()) {
        check.refuse("BR-CO-04", line, "the line has no VAT category");
    }
    if categories.len() != 1 {
        check.refuse(
            "UBL-SR-48",
            line,
            format_args!("{} VAT categories on one line, there must be one", categories.len()),
        );
    }
    for (rule, path, what) in [
        ("UBL-SR-34", "cbc:Note", "notes"),
        ("UBL-SR-35", "cac:OrderLineReference/cbc:LineID", "order lines"),
        ("UBL-SR-36", "cac:InvoicePeriod", "periods"),
        ("UBL-SR-37", "cac:Price/cac:AllowanceCharge/cbc:Amount", "price discounts"),
        ("UBL-SR-50", "cac:Item/cbc:Description", "descriptions"),
    ] {
        let count = line.all(path).len();
        if count > 1 {
            check.refuse(rule, line, format_args!("{count} {what} on one line, one is allowed"));
        }
    }
    let objects: Vec<_> = line.named("cac:DocumentReference").collect();
    if objects.len() > 1 {
        check.refuse("UBL-SR-52", line, "more than one invoiced object on one line");
        check.refuse("PEPPOL-EN16931-R100", line, "more than one invoiced object on one line");
    }
    if !objects.is_empty()
        && !objects.iter().any(|object| object.value("cbc:DocumentTypeCode") == Some("130"))
    {
        let message = "a line's document reference is for an invoiced object (130) only";
        check.refuse("PEPPOL-EN16931-R101", line, message);
    }
}

/// The rule divides price by base quantity; here the other side is multiplied instead.
fn net_amount<'t>(
    check: &mut Check<'t>,
    line: Element<'t>,
    net: Option<Element<'t>>,
    quantity: Option<Element<'t>>,
    price: Option<Element<'t>>,
) {
    let or = |element: Option<Element<'_>>, default: i128| match element {
        Some(element) => decimal(Some(element)),
        None => Some(Decimal::from_ore(default * 100)),
    };
    let base = price.and_then(|price| price.first("cbc:BaseQuantity"));
    let Some(base_quantity) =
        or(base, 1).map(|base| if base.is_zero() { Decimal::from_ore(100) } else { base })
    else {
        return;
    };
    let price_amount = price.and_then(|price| price.first("cbc:PriceAmount"));
    let (Some(net), Some(quantity), Some(price_amount)) = (or(net, 0), or(quantity, 1), or(price_amount, 0))
    else {
        return;
    };
    let mut added = 0_i128;
    for allowance in line.named("cac:AllowanceCharge") {
        let amount = i128::from(amount(allowance.first("cbc:Amount")).unwrap_or_default().0);
        match is_charge(allowance) {
            Some(true) => added += amount,
            Some(false) => added -= amount,
            None => {}
        }
    }
    let goods = quantity.mul(&price_amount);
    let difference = net.sub(&Decimal::from_ore(added)).mul(&base_quantity).sub(&goods);
    if difference.abs() > two_ore().mul(&base_quantity.abs()) {
        let per = if base.is_some() { format!(" per {base_quantity}") } else { String::new() };
        let allowances =
            if added == 0 { String::new() } else { format!(" and {} in allowances and charges", kr(added)) };
        let message = format!(
            "the line's net amount is {net}, but {quantity} × {price_amount}{per}{allowances} makes another sum"
        );
        check.refuse("PEPPOL-EN16931-R120", line, message);
    }
    if base.is_some_and(|base| decimal(Some(base)).is_none_or(|base| base.is_zero() || base.is_negative())) {
        check.refuse("PEPPOL-EN16931-R121", line, "the price's base quantity is not above zero");
    }
}

fn net_price<'t>(check: &mut Check<'t>, price: Element<'t>, quantity: Option<Element<'t>>) {
    let base = price.first("cbc:BaseQuantity");
    let unit = |element: Option<Element<'t>>| element.and_then(|element| element.attribute("unitCode"));
    if quantity.is_some() && unit(base).is_some() && unit(base) != unit(quantity) {
        check.refuse(
            "PEPPOL-EN16931-R130",
            price,
            "the price's base quantity is in another unit than the quantity",
        );
    }
    let Some(discount) = price.first("cac:AllowanceCharge") else { return };
    if discount.value("cbc:ChargeIndicator") != Some("false") {
        check.refuse("PEPPOL-EN16931-R044", discount, "a price has discounts only, no charges");
    }
    let Some(gross) = discount.first("cbc:BaseAmount") else { return };
    let gross = decimal(Some(gross));
    if gross.as_ref().is_some_and(Decimal::is_negative) {
        check.refuse("BR-28", discount, "the gross price is negative");
    }
    let (net, off) = (decimal(price.first("cbc:PriceAmount")), decimal(discount.first("cbc:Amount")));
    let expected = gross.as_ref().zip(off.as_ref()).map(|(gross, off)| gross.sub(off));
    if let (Some(net), Some(gross)) = (net, gross)
        && expected.as_ref() != Some(&net)
    {
        let off = off.map_or("no discount".to_string(), |off| format!("discount {off}"));
        let message = format!("net price {net} is not gross price {gross} less {off}");
        check.refuse("PEPPOL-EN16931-R046", discount, message);
    }
}
