"""Transaction categories: three levels, ids of eight digits (Pluggy facts 5.8)."""

from dataclasses import dataclass

from pluggy_sandbox.wire.encoding import Json


@dataclass(frozen=True)
class Category:
    """One category."""

    id: str
    description: str
    translated: str
    parent: str | None

    def view(self) -> Json:
        """Return it as the API serves it."""
        parent = CATEGORIES.get(self.parent or "")
        return {
            "id": self.id,
            "description": self.description,
            "descriptionTranslated": self.translated,
            "parentId": self.parent,
            "parentDescription": parent.description if parent else None,
        }


_LIST = """
01000000 Income | Renda
01010000 Salary | Salário
01020000 Retirement | Aposentadoria
01030000 Entrepreneurial activities | Atividades de empreendedorismo
01040000 Government aid | Auxílio do governo
01050000 Non-recurring income | Renda não-recorrente
02000000 Loans and financing | Empréstimos e financiamentos
02010000 Late payment and overdraft costs | Atraso no pagamento e custos de cheque especial
02020000 Interests charged | Juros cobrados
02030000 Financing | Financiamento
02030001 Real estate financing | Financiamento imobiliário
02030002 Vehicle financing | Financiamento de veículos
02030003 Student loan | Empréstimo estudantil
02040000 Loans | Empréstimos
03000000 Investments | Investimentos
03010000 Automatic investment | Investimento automático
03020000 Fixed income | Renda fixa
03030000 Mutual funds | Fundos multimercado
03040000 Variable income | Renda variável
03050000 Margin | Margem
03060000 Proceeds interests and dividends | Proventos, juros e dividendos
03070000 Pension | Pensão
04000000 Same person transfer | Transferência mesma titularidade
04010000 Same person transfer - Cash | Transferência mesma titularidade - Dinheiro
04020000 Same person transfer - PIX | Transferência mesma titularidade - PIX
04030000 Same person transfer - TED | Transferência mesma titularidade - TED
05000000 Transfers | Transferências
05010000 Transfer - Bank slip | Transferência - Boleto
05020000 Transfer - Cash | Transferência - Dinheiro
05030000 Transfer - Check | Transferência - Cheque
05040000 Transfer - DOC | Transferência - DOC
05050000 Transfer - Foreign exchange | Transferência - Câmbio
05060000 Transfer - Internal | Transferência - Interna
05070000 Transfer - PIX | Transferência - PIX
05080000 Transfer - TED | Transferência - TED
05090000 Third party transfers | Transferências para terceiros
05090001 Third party transfer - Bank slip | Transferência para terceiros - Boleto
05090002 Third party transfer - PIX | Transferência para terceiros - PIX
05100000 Credit card payment | Pagamento de cartão de crédito
06000000 Legal obligations | Obrigações legais
06010000 Blocked balances | Saldo bloqueado
06020000 Alimony | Pensão alimentícia
07000000 Services | Serviços
07010000 Telecommunications | Telecomunicações
07010001 Internet | Internet
07010002 Mobile | Celular
07010003 TV | TV
07020000 Education | Educação
07020001 Online courses | Cursos online
07020002 University | Universidade
07020003 School | Escola
07030000 Wellness and fitness | Saúde e bem-estar
07030001 Gyms and fitness centers | Academia e centros de lazer
07030002 Sports practice | Prática de esportes
07040000 Tickets | Bilhetes
07040001 Stadiums and arenas | Estádios e arenas
07040002 Landmarks and museums | Museus e pontos turísticos
07040003 Cinema, theater and concerts | Cinema, teatro e concertos
08000000 Shopping | Compras
08010000 Clothing | Vestuário
08020000 Bookstore | Livraria
08030000 Sports goods | Artigos esportivos
08040000 Electronics | Eletrônicos
08050000 Pet supplies and vet | Animais e veterinário
08060000 Kids and toys | Crianças e brinquedos
08070000 Office supplies | Artigos de escritório
08080000 Houseware | Utilidades domésticas
08090000 Cashback | Cashback
09000000 Transportation | Transporte
09010000 Public transportation | Transporte público
09020000 Gas stations | Postos de gasolina
09030000 Taxi and ride-hailing | Táxi e transporte privado
09040000 Car rental | Aluguel de veículos
09050000 Bicycle | Bicicleta
09060000 Automotive | Automotivo
09060001 Parking | Estacionamento
09060002 Tolls | Pedágios
09060003 Vehicle taxes and fees | Taxas e impostos sobre veículos
09060004 Vehicle maintenance | Manutenção de veículos
09060005 Traffic tickets | Multas de trânsito
10000000 Groceries | Supermercado
11000000 Food and drinks | Alimentos e bebidas
11010000 Eating out | Restaurantes, bares e lanchonetes
11020000 Food delivery | Delivery de alimentos
12000000 Digital services | Serviços digitais
12010000 Video streaming | Streaming de vídeo
12020000 Music streaming | Streaming de música
12030000 Gaming | Jogos
13000000 Travel | Viagens
13010000 Airport and airlines | Aeroportos e companhias aéreas
13020000 Accommodation | Hospedagem
13030000 Mileage programs | Programas de milhagem
13040000 Bus tickets | Passagem de ônibus
14000000 Housing | Moradia
14010000 Rent | Aluguel
14020000 Utilities | Serviços de utilidade pública
14020001 Water | Água
14020002 Electricity | Eletricidade
14020003 Gas | Gás
14030000 Houseware | Utensílios para casa
14040000 Urban land and building tax | Impostos sobre moradia
15000000 Taxes | Impostos
15010000 Income taxes | Imposto de renda
15020000 Taxes on investments | Imposto sobre investimentos
15030000 Tax on financial operations | Impostos sobre operações financeiras
16000000 Bank fees | Taxas bancárias
16010000 Account fees | Taxas de conta corrente
16020000 Wire transfer fees and ATM fees | Taxas sobre transferências e caixa eletrônico
16030000 Credit card fees | Taxas de cartão de crédito
17000000 Insurance | Seguros
17010000 Life insurance | Seguro de vida
17020000 Home insurance | Seguro residencial
17030000 Health insurance | Seguro saúde
17040000 Vehicle insurance | Seguro de veículos
18000000 Healthcare | Saúde
18010000 Dentist | Dentista
18020000 Pharmacy | Farmácia
18030000 Optometry | Ótica
18040000 Hospital clinics and labs | Hospitais, clínicas e laboratórios
19000000 Donations | Doações
20000000 Gambling | Apostas
20010000 Lottery | Loteria
20020000 Online bet | Apostas online
99999999 Other | Outros
"""


def _parent(category_id: str) -> str | None:
    for length in (4, 2):
        parent = category_id[:length].ljust(8, "0")
        if parent != category_id and any(line.startswith(parent) for line in _LINES):
            return parent
    return None


def _read(line: str) -> Category:
    head, translated = line.split(" | ")
    category_id, description = head.split(" ", 1)
    return Category(category_id, description, translated, _parent(category_id))


_LINES = _LIST.strip().splitlines()
CATEGORIES: dict[str, Category] = {line[:8]: _read(line) for line in _LINES}
