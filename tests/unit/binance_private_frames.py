"""What Binance sends to one customer, from its documents: no frame of a real account is at hand.

https://developers.binance.com/docs/derivatives/usds-margined-futures (user data streams; trade and account REST), as of
2026-11; shortened where rows repeat. `REAL_FILL` is from a client's log in a public bug report (ccxt 18078).
"""

NEW_ORDER = b"""{"e":"ORDER_TRADE_UPDATE","E":1568879465651,"T":1568879465650,"o":{"s":"BTCUSDT","c":"TEST","S":"SELL",
"o":"LIMIT","f":"GTC","q":"0.001","p":"7103.04","ap":"0","sp":"0","x":"NEW","X":"NEW","i":8886774,"l":"0","z":"0",
"L":"0","T":1568879465650,"t":0,"b":"0","a":"9.91","m":false,"R":false,"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"BOTH",
"cp":false,"pP":false,"si":0,"ss":0,"rp":"0","V":"EXPIRE_TAKER","pm":"OPPONENT","gtd":0,"er":"0"}}"""
REAL_FILL = b"""{"e":"ORDER_TRADE_UPDATE","T":1685466798560,"E":1685466798563,"o":{"s":"XRPUSDT","c":"10002","S":"SELL",
"o":"LIMIT","f":"GTC","q":"20","p":"0.5332","ap":"0.53320","sp":"0","x":"TRADE","X":"FILLED","i":246411433,"l":"20",
"z":"20","L":"0.5332","n":"0.00213279","N":"USDT","T":1685466798560,"t":19334107,"b":"10.59800","a":"0","m":true,
"R":false,"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"BOTH","cp":false,"rp":"0.24773076","pP":false,"si":0,"ss":0}}"""
ACCOUNT = b"""{"e":"ACCOUNT_UPDATE","E":1564745798939,"T":1564745798938,"a":{"m":"ORDER","B":[{"a":"USDT",
"wb":"122624.12345678","cw":"100.12345678","bc":"50.12345678"},{"a":"BUSD","wb":"1.00000000","cw":"0.00000000",
"bc":"-49.12345678"}],"P":[{"s":"BTCUSDT","pa":"0","ep":"0.00000","bep":"0","cr":"200","up":"0","mt":"isolated",
"iw":"0.00000000","ps":"BOTH"},{"s":"ETHUSDT","pa":"-20","ep":"6563.66500","bep":"6563.6","cr":"0","up":"2850.21200",
"mt":"isolated","iw":"13200.70726908","ps":"BOTH"},{"s":"BTCUSDT","pa":"-10","ep":"6563.86000","bep":"6563.6",
"cr":"-45.04000000","up":"-1423.15600","mt":"isolated","iw":"6570.42511771","ps":"SHORT"}]}}"""
FUNDING = b"""{"e":"ACCOUNT_UPDATE","E":1564747200939,"T":1564747200938,"a":{"m":"FUNDING_FEE","B":[{"a":"USDT",
"wb":"122624.12345678","cw":"100.12345678","bc":"-0.12345678"}],"P":[{"s":"BTCUSDT","pa":"1","ep":"6563.66500",
"bep":"0","cr":"200","up":"0","mt":"isolated","iw":"13200.70726908","ps":"BOTH"}]}}"""
CROSS_FUNDING = b"""{"e":"ACCOUNT_UPDATE","E":1564747200939,"T":1564747200938,"a":{"m":"FUNDING_FEE","B":[{"a":"USDT",
"wb":"122624.12345678","cw":"100.12345678","bc":"-0.12345678"}],"P":[]}}"""
ALGO_CANCELED = b"""{"e":"ALGO_UPDATE","T":1750515742297,"E":1750515742303,"o":{"caid":"Q5xaq5EGKgXXa0fD7fs0Ip",
"aid":2148719,"at":"CONDITIONAL","o":"TAKE_PROFIT_MARKET","s":"BNBUSDT","S":"SELL","ps":"BOTH","f":"GTC","q":"0",
"X":"CANCELED","ai":"","ap":"0.00000","aq":"0.00000","act":"0","tp":"750","p":"0","V":"EXPIRE_MAKER",
"wt":"MARK_PRICE","pm":"NONE","cp":true,"pP":false,"R":false,"tt":0,"gtd":0,"rm":"Reduce Only reject"}}"""
KEY_EXPIRED = b'{"e":"listenKeyExpired","E":1736996475556,"listenKey":"WsCMN0a4KHUPTQuX6IUnqEZfB1inxmv1qR4kbf1LuEjur5"}'
TRADE_LITE = b"""{"e":"TRADE_LITE","E":1721895408092,"T":1721895408214,"s":"BTCUSDT","q":"0.001","p":"0","m":false,
"c":"z8hcUoOsqEdKMeKPSABslD","S":"BUY","L":"64089.20","l":"0.040","t":109100866,"i":8886774}"""
COMBINED = b'{"stream":"abc","data":' + REAL_FILL + b"}"
ACKNOWLEDGED = b'{"result":null,"id":1}'
USER_FRAMES = [
    NEW_ORDER,
    REAL_FILL,
    ACCOUNT,
    FUNDING,
    CROSS_FUNDING,
    ALGO_CANCELED,
    KEY_EXPIRED,
    TRADE_LITE,
    COMBINED,
    ACKNOWLEDGED,
]

ORDER = b"""{"clientOrderId":"testOrder","cumQty":"0","executedQty":"0","orderId":22542179,"origQty":"10",
"price":"9300.10","reduceOnly":false,"side":"BUY","positionSide":"BOTH","status":"NEW","stopPrice":"0",
"closePosition":false,"symbol":"BTCUSDT","timeInForce":"GTC","type":"LIMIT","origType":"LIMIT",
"updateTime":1566818724722,"workingType":"CONTRACT_PRICE","priceProtect":false,"priceMatch":"NONE",
"selfTradePreventionMode":"NONE","goodTillDate":0}"""
ALGO = b"""{"algoId":2146760,"clientAlgoId":"6B2I9XVcJpCjqPAJ4YoFX7","algoType":"CONDITIONAL",
"orderType":"TAKE_PROFIT_MARKET","symbol":"BNBUSDT","side":"SELL","positionSide":"BOTH","timeInForce":"GTC",
"quantity":"0.01","algoStatus":"NEW","actualOrderId":"","actualPrice":"0.00000","triggerPrice":"750.000",
"price":"0.000","icebergQuantity":null,"tpTriggerPrice":"0.000","tpPrice":"0.000","slTriggerPrice":"0.000",
"slPrice":"0.000","tpOrderType":"","selfTradePreventionMode":"EXPIRE_MAKER","workingType":"CONTRACT_PRICE",
"priceMatch":"NONE","closePosition":false,"priceProtect":false,"reduceOnly":true,"createTime":1750485492076,
"updateTime":1750514545091,"triggerTime":0,"goodTillDate":0}"""
ALGO_GONE = b'{"algoId":2146760,"clientAlgoId":"6B2I9XVcJpCjqPAJ4YoFX7","code":"200","msg":"success"}'
TRADES = b"""[{"buyer":false,"commission":"-0.07819010","commissionAsset":"USDT","id":698759,"maker":false,
"orderId":25851813,"price":"7819.01","qty":"0.002","quoteQty":"15.63802","realizedPnl":"-0.91539999","side":"SELL",
"positionSide":"BOTH","symbol":"BTCUSDT","time":1569514978020}]"""
POSITIONS = b"""[{"symbol":"ADAUSDT","positionSide":"BOTH","positionAmt":"30","entryPrice":"0.385",
"breakEvenPrice":"0.385077","markPrice":"0.41047590","unRealizedProfit":"0.76427700","liquidationPrice":"0",
"isolatedMargin":"0","notional":"12.31427700","marginAsset":"USDT","isolatedWallet":"0","initialMargin":"0.61571385",
"maintMargin":"0.08004280","positionInitialMargin":"0.61571385","openOrderInitialMargin":"0","adl":2,
"bidNotional":"0","askNotional":"0","updateTime":1720736417660}]"""
BALANCES = b"""[{"accountAlias":"SgsR","asset":"USDT","balance":"122607.35137903","crossWalletBalance":"23.72469206",
"crossUnPnl":"0.00000000","availableBalance":"23.72469206","maxWithdrawAmount":"23.72469206","marginAvailable":true,
"updateTime":1617939110373}]"""
INCOME = b"""[{"symbol":"BTCUSDT","incomeType":"FUNDING_FEE","income":"-0.37500000","asset":"USDT",
"info":"FUNDING_FEE","time":1570608000000,"tranId":9689322392,"tradeId":""},{"symbol":"BTCUSDT",
"incomeType":"COMMISSION","income":"-0.01","asset":"USDT","info":"","time":1570636800000,"tranId":9689322393,
"tradeId":"2059192"},{"symbol":"BTCUSDT","incomeType":"FUNDING_FEE","income":"0.2","asset":"USDT","info":"",
"time":1570579200012,"tranId":9689322391,"tradeId":""}]"""
PERMISSIONS = b"""{"ipRestrict":false,"createTime":1698645219000,"enableReading":true,"enableWithdrawals":false,
"enableInternalTransfer":false,"enableMargin":false,"enableFutures":true,"permitsUniversalTransfer":false,
"enableVanillaOptions":false,"enableFixApiTrade":false,"enableFixReadOnly":true,"enableSpotAndMarginTrading":false,
"enablePortfolioMarginTrading":true}"""
CONFIGS = b"""[{"symbol":"BTCUSDT","marginType":"CROSSED","isAutoAddMargin":"false","leverage":21,
"maxNotionalValue":"1000000"}]"""
MODE = b'{"dualSidePosition":true}'
COMMISSION = b"""{"symbol":"BTCUSDT","makerCommissionRate":"0.0002","takerCommissionRate":"0.0004",
"rpiCommissionRate":"0.00005"}"""
LISTEN_KEY = b'{"listenKey":"pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"}'
ANSWERS = [
    ORDER,
    ALGO,
    ALGO_GONE,
    TRADES,
    POSITIONS,
    BALANCES,
    INCOME,
    PERMISSIONS,
    CONFIGS,
    MODE,
    COMMISSION,
    LISTEN_KEY,
    b'{"code":200,"msg":"success"}',
    b'{"leverage":21,"maxNotionalValue":"1000000","symbol":"BTCUSDT"}',
    b'{"code":-2013,"msg":"Order does not exist."}',
    b"[" + ORDER + b"]",
    b"[" + ALGO + b"]",
]
