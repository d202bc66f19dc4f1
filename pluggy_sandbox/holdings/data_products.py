"""Bills, investments, identity and loans as Pluggy shows them (Pluggy facts 5.7). None of them has change events."""

from collections.abc import Callable
from datetime import date, datetime

from pluggy_sandbox.bank.accounts import Account, Bill
from pluggy_sandbox.bank.investments import Investment, Movement
from pluggy_sandbox.bank.loans import Contract
from pluggy_sandbox.bank.people import Person
from pluggy_sandbox.wire.encoding import Json, cents, money
from pluggy_sandbox.wire.instants import day_in_brazil, iso, midnight_in_brazil

MakeId = Callable[..., str]


def bills(account_id: str, source: Account, make_id: MakeId, at: datetime) -> list[Json]:
    """Return the closed bills of a card, newest first."""
    today = day_in_brazil(at)
    return [_bill(account_id, bill, make_id, today) for bill in reversed(source.bills) if bill.closed_on <= today]


def _bill(account_id: str, bill: Bill, make_id: MakeId, today: date) -> Json:
    bill_id = make_id("bill", account_id, bill.key)
    payments: list[Json] = []
    if bill.paid_on is not None and bill.paid_on <= today:
        payments.append(
            {
                "id": make_id("bill payment", bill_id),
                "valueType": "FULL_PAYMENT",
                "paymentDate": _day(bill.paid_on),
                "paymentMode": "DEBIT_ACCOUNT",
                "amount": bill.total,
                "currencyCode": "BRL",
            }
        )
    return {
        "id": bill_id,
        "accountId": account_id,
        "dueDate": _day(bill.due_on),
        "billClosingDate": _day(bill.closed_on),
        "totalAmount": bill.total,
        "totalAmountCurrencyCode": "BRL",
        "minimumPaymentAmount": cents(max(int(bill.total * 15), 0)),
        "allowsInstallments": True,
        "financeCharges": [],
        "payments": payments,
    }


def investment(item_id: str, owned: Investment, person: Person, make_id: MakeId, at: datetime) -> Json:
    """Return one investment as it stands at *at*; keys that do not fit its type are null."""
    today = day_in_brazil(at)
    value = owned.value_on(today)
    balance = money(int(owned.quantity * value * 10_000))
    spent = money(int(owned.quantity * owned.price * 10_000))
    return {
        "id": make_id("investment", item_id, owned.key),
        "itemId": item_id,
        "type": owned.type,
        "subtype": owned.subtype,
        "number": None,
        "balance": balance,
        "name": owned.name,
        "lastMonthRate": money(8_900),
        "lastTwelveMonthsRate": money(112_500),
        "annualRate": money(109_800),
        "currencyCode": "BRL",
        "code": owned.code,
        "isin": owned.isin,
        "value": value,
        "quantity": owned.quantity,
        "amount": balance,
        "taxes": money(int((balance - spent) * 1_750)) if balance > spent else cents(0),
        "taxes2": cents(0),
        "date": iso(midnight_in_brazil(today)),
        "owner": person.name,
        "amountProfit": balance - spent,
        "amountWithdrawal": balance,
        "amountOriginal": spent,
        "metadata": None,
        "dueDate": _day(owned.matures_on),
        "issuer": owned.issuer,
        "issuerCNPJ": None,
        "issueDate": _day(owned.bought_on),
        "purchaseDate": _day(owned.bought_on),
        "gracePeriodDate": None,
        "rate": owned.rate,
        "rateType": owned.rate_type,
        "ratePeriodicity": None,
        "indexerAdditionalInfo": None,
        "fixedAnnualRate": None,
        "taxExempt": None,
        "priceFactor": None,
        "debtor": None,
        "couponPayment": None,
        "status": "ACTIVE",
        "institution": None,
    }


def dated(fresh: Json, held: Json | None, at: datetime) -> Json:
    """Return *fresh* with when it was first held and when it last changed; *held* is what was held so far."""
    if held is None:
        return fresh | {"createdAt": iso(at), "updatedAt": iso(at)}
    dates = {name: held[name] for name in ("createdAt", "updatedAt")}
    return held if fresh | dates == held else fresh | dates | {"updatedAt": iso(at)}


def movements(investment_id: str, owned: Investment, make_id: MakeId, at: datetime) -> list[Json]:
    """Return what happened to one investment, newest first."""
    found = sorted(owned.movements(day_in_brazil(at)), key=lambda m: (m.day, m.type), reverse=True)
    return [_movement(investment_id, movement, make_id) for movement in found]


def _movement(investment_id: str, movement: Movement, make_id: MakeId) -> Json:
    return {
        "id": make_id("investment transaction", investment_id, movement.key),
        "type": movement.type,
        "movementType": movement.movement,
        "quantity": movement.quantity,
        "value": movement.price,
        "amount": movement.amount,
        "netAmount": movement.amount,
        "agreedRate": None,
        "indexerPercentage": None,
        "priceFactor": None,
        "date": _day(movement.day),
        "tradeDate": _day(movement.day),
        "brokerageNumber": None,
        "description": movement.description,
        "expenses": None,
    }


def identity(item_id: str, person: Person, make_id: MakeId) -> Json:
    """Return who the customer is."""
    return {
        "id": make_id("identity", item_id),
        "itemId": item_id,
        "fullName": person.name,
        "socialName": None,
        "birthDate": _day(person.birth),
        "taxNumber": person.cnpj,
        "document": person.cnpj or person.cpf,
        "documentType": "CNPJ" if person.cnpj else "CPF",
        "jobTitle": "Analista",
        "companyName": person.name if person.cnpj else person.employer,
        "establishmentCode": None,
        "establishmentName": None,
        "phoneNumbers": [{"type": "Personal", "value": person.phone}],
        "emails": [{"type": "Personal", "value": person.email}],
        "addresses": [
            {
                "fullAddress": "Rua das Laranjeiras, 100, São Paulo, SP",
                "primaryAddress": "Rua das Laranjeiras, 100",
                "city": "São Paulo",
                "postalCode": "01000-000",
                "state": "SP",
                "country": "BR",
                "type": "Personal",
            }
        ],
        "relations": [{"type": "Mother", "name": f"Maria {person.name.split()[-1]}"}],
        "investorProfile": "Moderate",
        "qualifications": None,
        "financialRelationships": None,
        "sex": None,
        "maritalStatus": None,
        "nationality": None,
        "otherDocuments": None,
        "passport": None,
        "incorporationDate": None,
        "parties": None,
        "businessOtherDocuments": None,
        "companiesCnpj": None,
    }


def loan(item_id: str, contract: Contract, make_id: MakeId, at: datetime) -> Json:
    """Return one loan as it stands at *at*."""
    paid = contract.paid_on(day_in_brazil(at))
    left = contract.instalments - len(paid)
    return {
        "id": make_id("loan", item_id, contract.key),
        "itemId": item_id,
        "contractNumber": contract.number,
        "ipocCode": f"99999004{contract.number}",
        "productName": contract.product,
        "type": "CREDITO_PESSOAL_SEM_CONSIGNACAO" if contract.kind == "LOAN" else "AQUISICAO_BENS_VEICULOS_AUTOMOTORES",
        "kind": contract.kind,
        "date": iso(at) if contract.kind == "LOAN" else None,  # nullable (Pluggy facts 13.13)
        "contractDate": _day(contract.signed_on),
        "disbursementDates": [contract.signed_on.isoformat()],
        "settlementDate": None,
        "contractAmount": cents(contract.amount_cents),
        "currencyCode": "BRL",
        "dueDate": _day(contract.ends_on()),
        "installmentPeriodicity": "MONTHLY",
        "installmentPeriodicityAdditionalInfo": None,
        "firstInstallmentDueDate": _day(paid[0] if paid else contract.ends_on()),
        "CET": money(2_489),
        "amortizationScheduled": "PRICE",
        "amortizationScheduledAdditionalInfo": None,
        "cnpjConsignee": None,
        "interestRates": [
            {
                "taxType": "EFFECTIVE",
                "interestRateType": "SIMPLE",
                "taxPeriodicity": "MONTHLY",
                "calculation": "30/360",
                "preFixedRate": money(189),
            }
        ],
        "contractedFees": [],
        "contractedFinanceCharges": [],
        "warranties": [],
        "installments": {
            "typeNumberOfInstallments": "MONTH",
            "totalNumberOfInstallments": contract.instalments,
            "typeContractRemaining": "MONTH",
            "contractRemainingNumber": left,
            "paidInstallments": len(paid),
            "dueInstallments": left,
            "pastDueInstallments": 0,
        },
        "payments": {
            "contractOutstandingBalance": contract.instalment * left,
            "releases": [_release(contract, day, make_id, item_id) for day in reversed(paid)],
        },
    }


def _release(contract: Contract, day: date, make_id: MakeId, item_id: str) -> Json:
    return {
        "isOverParcelPayment": False,
        "installmentId": make_id("instalment", item_id, contract.key, day),
        "paidDate": _day(day),
        "currencyCode": "BRL",
        "paidAmount": contract.instalment,
    }


def _day(day: date | None) -> str | None:
    return None if day is None else iso(midnight_in_brazil(day))
