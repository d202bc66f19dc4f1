"""Brazilian people, shops and companies that the sandbox bank's statements speak of. All invented or generic."""

from typing import NamedTuple

FIRST = (
    "Ana",
    "Bruno",
    "Camila",
    "Diego",
    "Eduarda",
    "Felipe",
    "Gabriela",
    "Henrique",
    "Isabela",
    "João",
    "Larissa",
    "Marcelo",
    "Natália",
    "Otávio",
    "Patrícia",
    "Rafael",
    "Sabrina",
    "Thiago",
    "Vanessa",
    "Wesley",
)
LAST = (
    "Silva",
    "Souza",
    "Oliveira",
    "Santos",
    "Pereira",
    "Lima",
    "Carvalho",
    "Ribeiro",
    "Almeida",
    "Costa",
    "Gomes",
    "Martins",
    "Araújo",
    "Barbosa",
    "Cardoso",
    "Teixeira",
    "Moura",
    "Nascimento",
)
EMPLOYERS = (
    ("Horizonte Tecnologia Ltda", "41.236.880/0001-07"),
    ("Aurora Alimentos do Sul SA", "07.914.552/0001-60"),
    ("Clínica Vila Nova Ltda", "22.480.139/0001-31"),
    ("Construtora Pedra Branca SA", "8Z.3X7.K2P/0001-87"),
)
# name on the card, business name, category, merchant category code, usual amount in cents (least, most)
SHOPS = (
    ("UBER *TRIP", "Uber do Brasil Tecnologia", "09030000", 4121, 900, 6200),
    ("IFOOD *RESTAURANTE", "iFood Agência de Restaurantes", "11020000", 5812, 2490, 14900),
    ("SUPERMERCADO BOM PRECO", "Bom Preço Supermercados", "10000000", 5411, 3800, 58000),
    ("DROGARIA SAO BENTO", "Drogaria São Bento", "18020000", 5912, 1290, 21000),
    ("POSTO IPIRANGA CENTRO", "Auto Posto Centro", "09020000", 5541, 8000, 32000),
    ("PADARIA ESTRELA", "Padaria Estrela", "11010000", 5462, 650, 4800),
    ("AMZN MKTP BR", "Amazon Serviços de Varejo", "08000000", 5942, 2990, 45000),
    ("RENNER LJ 118", "Lojas Renner", "08010000", 5651, 5990, 38000),
    ("CINEMARK MORUMBI", "Cinemark Brasil", "07040003", 7832, 3200, 12800),
    ("LIVRARIA DA VILA", "Livraria da Vila", "08020000", 5942, 2990, 18000),
)
SUBSCRIPTIONS = (
    (3, "NETFLIX.COM", "Netflix Entretenimento Brasil", "12010000", 4899, 4490),
    (11, "SPOTIFY BR", "Spotify Brasil", "12020000", 4899, 2190),
    (21, "GOOGLE ONE", "Google Brasil", "12010000", 7372, 999),
)
BIG_SHOPS = (
    ("MAGAZINE LUIZA", "Magazine Luiza SA", "08000000", 5732, 60000, 480000),
    ("CASAS BAHIA", "Grupo Casas Bahia", "08000000", 5722, 50000, 360000),
    ("DECATHLON", "Iguasport Ltda", "08030000", 5941, 24000, 150000),
    ("LATAM AIRLINES", "TAM Linhas Aéreas", "13010000", 4511, 48000, 290000),
)
FOREIGN_SHOPS = (
    ("OPENAI *SUBSCR", "USD", "08040000", 7372, 2000, 2000),
    ("STEAM GAMES", "USD", "12030000", 5816, 499, 5999),
    ("BOOKING.COM AMSTERDAM", "EUR", "13020000", 4722, 8000, 42000),
)


class Boleto(NamedTuple):
    """A bill that comes every month on day `due`, of `least` to `most` cents."""

    due: int
    description: str
    creditor: str
    cnpj: str
    category: str
    least: int
    most: int


BOLETOS = (
    Boleto(
        8, "PAGAMENTO DE BOLETO IMOBILIARIA PRIMAVERA", "Imobiliária Primavera", "30.115.462/0001-80", "14010000",
        185000, 185000,
    ),
    Boleto(
        12, "PAGAMENTO DE BOLETO LUZ PAULISTA", "Luz Paulista Energia SA", "61.695.227/0001-93", "14020002",
        9800, 26900,
    ),
    # With letters, as they are given out since 2026 (Pluggy facts 13.13).
    Boleto(
        15, "PAGAMENTO DE BOLETO FIBRA NET", "Fibra Net Telecom", "12.ABC.345/01DE-35", "07010000", 11990, 11990
    ),
    Boleto(
        20, "PAGAMENTO DE BOLETO CONDOMINIO ED JARDINS", "Condomínio Ed. Jardins", "04.772.600/0001-45", "14010000",
        64000, 69000,
    ),
)  # fmt: skip
INSTITUTION = {"name": "Pluggy Bank", "compe": "999", "ispb": "99999004"}
